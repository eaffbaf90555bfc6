/** What goes to stdout: one JSON document, indented by two spaces, written out completely before anything else happens. */
import { fsync } from 'node:fs';

/** Resolves when the operating system has all of it; rejects when nobody can read it. */
export async function writeDocument(document: unknown): Promise<void> {
  await writeText(`${JSON.stringify(document, undefined, 2)}\n`);
  // A file must hold it when `/health` answers, also after a power failure. Pipes and terminals cannot be synced and need not be.
  await new Promise<void>((resolve) => fsync(process.stdout.fd, () => resolve()));
}

/** Plain text for stdout, under the same promise. */
export async function writeText(text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
