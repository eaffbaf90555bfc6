/** Numbers for material that was loaded: each content that comes to serve has one of its own. */

let last = 0;

/** The next number, counted over all identities of this process. */
export function nextGeneration(): number {
  last += 1;
  return last;
}
