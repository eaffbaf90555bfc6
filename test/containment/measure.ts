/** `node test/containment/measure.ts`: measures containment in full and writes docs/reference/containment.md and containment-proofs.md. */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { REFUSED_ARGUMENTS } from '../config-golden/container-arguments.corpus.ts';
import { REFUSED_ENTRIES } from '../config-golden/server-entries.corpus.ts';
import { findEngine } from '../../src/upstream/container/engine-command.ts';
import { pingEngine } from '../../src/upstream/container/engine.ts';
import type { Leftovers } from '../rig/leftovers.ts';
import { acceptedCorpus, corpusRoot, differences, launchAll } from './corpus.ts';
import { lookInside } from './inside.ts';
import { killStorm, WORK_SECONDS } from './kill-storm.ts';
import { sessionChurn, startUp } from './starts.ts';

const DOCS = new URL('../../docs/reference/', import.meta.url);

const engine = `Docker ${await pingEngine(findEngine({ engine: 'docker', command: 'docker' }))}`;
const machine = `${cpus().length} cores, Node ${process.version}, ${engine}`;

await writeFile(
  new URL('containment.md', DOCS),
  `# Inside a default container

Read from the inside of a container of which the configuration says nothing but its image, by \`node test/containment/measure.ts\` (${engine}). [What can be said beyond that](../guides/containment.md), and \`gatehouse validate --explain\` for your own servers.

${table(['what', 'found'], await lookInside())}
`,
);

const loadBefore = loadavg()[0] ?? 0;
const corpus = await startCorpus();
const storm = await killStorm({ calls: 200, servers: 5, kills: 20, everyMs: 1000 });
const start = await startUp(20, 5);
const churn = await sessionChurn(500, 6);
const loadAfter = loadavg()[0] ?? 0;

await writeFile(
  new URL('containment-proofs.md', DOCS),
  `# Containment, measured

Written by \`node test/containment/measure.ts\` on ${machine}. The machine was shared: its load average was ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} at the end, so the times are upper bounds. A small version of each runs with the tests.

## What may be written

${table(
  ['', 'count', 'shown by'],
  [
    [
      'argument lists that are refused',
      String(REFUSED_ARGUMENTS.length),
      '`test/config-golden/container-arguments.test.ts`',
    ],
    [
      'server entries that are refused, in TOML and in JSON together',
      String(REFUSED_ENTRIES.reduce((count, { dialects }) => count + dialects.length, 0)),
      '`test/config-golden/server-entries.test.ts`',
    ],
    ['argument lists and entries that are accepted', String(corpus.entries), 'the same two'],
    [
      'of them started in Docker just now and compared with what Docker says of the container: HostConfig, variables, user',
      String(corpus.started),
      '`corpus.ts`; with the tests one of each that differs is started: `corpus.test.ts`',
    ],
    [
      'differences; left at the end',
      `${corpus.differences.length}; ${corpus.left}`,
      corpus.differences.slice(0, 5).join(', '),
    ],
  ],
)}

## A server is killed once a second

200 calls at a time over 5 container servers, each call ${WORK_SECONDS} seconds of work, so that the shells which play the servers do not use up the machine; the process of one server is killed 20 times, every second or as soon as it is back from the last time (\`kill-storm.ts\`).

${table(
  ['', 'measured'],
  [
    ['kills, seconds from the first to the last', `${storm.kills}, ${(storm.spanMs / 1000).toFixed(1)}`],
    ['calls to the other four, failed', `${storm.calls}, ${storm.failed}`],
    ['from the kill to the error of the calls that it broke', spread(storm.errorAfterMs)],
    ['from the kill to the answer to the first call after it that succeeds', spread(storm.backAfterMs)],
    ['left at the end', leftText(storm.left)],
  ],
)}

## Starting 20 container servers

${table(
  ['', 'measured'],
  [
    ['20 servers together, from the launch of the program to its document', seconds(start.togetherMs)],
    ['one server alone, the slowest of 5', seconds(start.slowestMs)],
    ['one server alone, the quickest of 5', seconds(start.quickestMs)],
    [
      '20 together, against 20 of the quickest one after the other',
      `${(start.togetherMs / (20 * start.quickestMs)).toFixed(2)} of the time`,
    ],
    ['left at the end', leftText(start.left)],
  ],
)}

## 500 sessions with a container of their own

Six at a time; every third client vanishes in the middle of its first call.

${table(
  ['', 'measured'],
  [
    ['sessions, abandoned, answered', `${churn.sessions}, ${churn.abandoned}, ${churn.answered}`],
    [
      'resident memory of the gateway after 50 sessions and after 500',
      `${churn.memoryMiB[0]} MiB, ${churn.memoryMiB[1]} MiB`,
    ],
    ['left at the end', leftText(churn.left)],
  ],
)}
`,
);

/** Every accepted entry, also those that come to the same container. */
async function startCorpus(): Promise<{
  entries: number;
  started: number;
  differences: readonly string[];
  left: number;
}> {
  await using root = await corpusRoot();
  const entries = await acceptedCorpus(root.path);
  const { launched, left } = await launchAll(entries, 8);
  return { entries: entries.length, started: launched.length, differences: launched.flatMap(differences), left };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

function spread(times: readonly number[]): string {
  const sorted = times.filter((time) => !Number.isNaN(time)).toSorted((one, other) => one - other);
  const at = (share: number): string => `${Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)} ms`;
  return `median ${at(0.5)}, worst ${at(1)}`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function leftText({ containers, networks, processes }: Leftovers): string {
  const left = [...containers, ...networks, ...processes];
  return left.length === 0 ? 'no container, network or process' : left.join(', ');
}
