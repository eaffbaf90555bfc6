/** The server of the stalls on stdio: runs in a container. The argument is its era. */
import { answerTo, type Era } from './server.ts';

const LF = 0x0a;
const era: Era = process.argv[2] === 'legacy' ? 'legacy' : 'modern';
let held: Buffer[] = [];

process.stdin.on('data', (piece: Buffer) => {
  let rest = piece;
  for (let end = rest.indexOf(LF); end !== -1; end = rest.indexOf(LF)) {
    const answer = answerTo(Buffer.concat([...held, rest.subarray(0, end)]), era);
    held = [];
    rest = rest.subarray(end + 1);
    if (answer !== undefined) process.stdout.write(`${answer}\n`);
  }
  if (rest.length > 0) held.push(rest);
});
