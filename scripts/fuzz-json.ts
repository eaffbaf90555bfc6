/** `node scripts/fuzz-json.ts [SECONDS] [SEED]`: looks for a text of which the JSON scanner and JSON.parse think differently. */
import fc from 'fast-check';
import { compareWithParse, hostileJson } from '../test/json/differential.ts';

const [seconds = '60', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
const until = performance.now() + Number(seconds) * 1_000;
const RUNS = 20_000;
let cases = 0;

console.log(`seed ${seed}`);
for (let round = 0; performance.now() < until; round++) {
  fc.assert(
    fc.property(hostileJson, fc.array(fc.nat(), { maxLength: 6 }), (text, cuts) => {
      const found = compareWithParse(text, cuts);
      if (found !== 'agree') throw new Error(found);
    }),
    { numRuns: RUNS, seed: Number(seed) + round },
  );
  cases += RUNS;
}
console.log(`${cases} texts, no difference`);
