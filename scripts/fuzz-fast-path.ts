/** `node scripts/fuzz-fast-path.ts [CASES] [SEED]`: the fast path against the parser of node:http, 10 million heads and as many connections unless told otherwise. */
import { fuzzConnections } from '../test/fast-path/fuzz-connection.ts';
import { fuzz, type FuzzResult } from '../test/fast-path/fuzz.ts';

const [cases = '10000000', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
const PER_ROUND = 100_000;
/** Nothing may be kept from case to case. Far more than a round needs, and far less than a leak takes. */
const MAX_RESIDENT_BYTES = 1.5e9;
const REPORT_EVERY_MS = 60_000;
const began = performance.now();
let reported = began;

await run('heads', fuzz);
await run('connections', fuzzConnections);

/** Ends the process at the first disagreement. */
async function run(
  kind: string,
  round: (seed: number, cases: number) => FuzzResult | Promise<FuzzResult>,
): Promise<void> {
  let taken = 0;
  for (let done = 0; done < Number(cases); done += PER_ROUND) {
    const result = await round(Number(seed) + done, Math.min(PER_ROUND, Number(cases) - done));
    taken += result.taken;
    if (result.disagreement !== undefined) {
      console.error(`${kind}, seed ${Number(seed) + done}, case ${result.cases}: ${result.disagreement.reason}`);
      console.error(JSON.stringify(result.disagreement.bytes));
      process.exit(1);
    }
    report(`${done + result.cases} ${kind}, ${taken} requests to the fast path`);
  }
  console.log(
    `${cases} ${kind} from seed ${seed}, ${taken} requests to the fast path: no disagreement (${seconds()} s)`,
  );
}

function report(progress: string): void {
  const resident = process.memoryUsage.rss();
  if (resident > MAX_RESIDENT_BYTES) throw new Error(`${progress}: ${resident} bytes of memory are in use`);
  if (performance.now() - reported < REPORT_EVERY_MS) return;
  reported = performance.now();
  console.log(`${seconds()} s: ${progress}, ${(resident / 1e6).toFixed(0)} MB`);
}

function seconds(): string {
  return ((performance.now() - began) / 1_000).toFixed(0);
}
