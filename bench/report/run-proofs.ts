/** Makes the proofs that the command line names, or all of them, one after the other. */
export async function runProofs(proofs: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const wanted = process.argv.slice(2);
  for (const name of wanted.length === 0 ? Object.keys(proofs) : wanted) {
    const prove = proofs[name];
    if (prove === undefined)
      throw new Error(`there is no proof "${name}"; there are ${Object.keys(proofs).join(', ')}`);
    console.log(name);
    await prove();
  }
}
