/** Idle event streams: what each of them costs in memory, and what it costs to tell all of them something. */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from '../contender.ts';
import { nginx } from '../contenders/nginx.ts';
import { variant } from '../contenders/variants.ts';
import { messageOf, withoutPaths } from '../machine/paths.ts';
import { pinned } from '../machine/pinning.ts';
import { difference, processorTime } from '../machine/processor-time.ts';
import { freePort, openFilesAllowed, start, type Started } from '../machine/processes.ts';
import type { Column, Measurement, Row } from '../section.ts';
import type { Stage, Workload } from '../stage.ts';
import { openListener, type Listener, type StreamKind } from './listener.ts';

const ANNOUNCER = fileURLToPath(new URL('announcer.ts', import.meta.url));
/** Files that a program has open beside those of the streams. */
const OTHER_FILES = 500;
const AT_ONCE = 32;
const SETTLE_MS = 3_000;
const IDLE_MS = 5_000;
const DELIVERY_PATIENCE_MS = 30_000;
const POLL_MS = 5;

const COLUMNS: readonly Column[] = [
  { key: 'streams', title: 'streams' },
  { key: 'perStream', title: 'kB/stream' },
  { key: 'before', title: 'MB before' },
  { key: 'open', title: 'MB open' },
  { key: 'opening', title: 'CPU µs/opening' },
  { key: 'idle', title: 'CPU ms/s idle' },
  { key: 'cpu', title: 'CPU µs/event', spread: true },
  { key: 'last', title: 'ms until the last has it', spread: true },
];

interface Listening {
  readonly contender: Contender;
  readonly kind: StreamKind;
  /** Files that it has open for each stream. */
  readonly files: number;
}

const LISTENING: readonly Listening[] = [
  { contender: nginx, kind: 'get', files: 2 },
  { contender: variant('gatehouse'), kind: 'get', files: 1 },
  { contender: variant('gatehouse-modern'), kind: 'listen', files: 1 },
];

export const STREAMS: Workload = {
  name: 'streams',
  group: 'streams',
  title: 'idle event streams, and a message to all of them',
  contenders: LISTENING.map(({ contender }) => contender),
  open: false,
  async measure(stage, contenders): Promise<Measurement> {
    const rows: Row[] = [];
    for (const listening of LISTENING) {
      if (!contenders.some(({ name }) => name === listening.contender.name)) continue;
      rows.push(await measureStreams(stage, listening));
    }
    const { streams, broadcasts } = stage.plan;
    return {
      how: `${streams.toLocaleString('en')} streams, then ${broadcasts} messages, each to all of them; fewer where the machine allows too few open files. nginx passes each stream on; Gatehouse keeps one to the server. The rows of Gatehouse: GET streams of legacy sessions, with their sessions; \`subscriptions/listen\` of modern clients.`,
      columns: COLUMNS,
      ratio: 'cpu',
      yardstick: 'nginx',
      rows,
    };
  },
};

async function measureStreams(
  { plan, pinning, nodeOptions, onWarm }: Stage,
  { contender, kind, files: filesOfOne }: Listening,
): Promise<Row> {
  const files = openFilesAllowed();
  const count = Math.min(plan.streams, Math.floor((files - OTHER_FILES) / filesOfOne));
  const figures: Record<string, number[]> = {};
  const faults: string[] = [];
  const listeners: Listener[] = [];
  try {
    await using stack = new AsyncDisposableStack();
    const port = await freePort();
    const server = stack.use(
      start([process.execPath, ANNOUNCER, String(port)], {
        name: `announcer-${contender.name}`,
        pinned: pinned(pinning?.rest, pinning),
        keepInput: true,
        files,
      }),
    );
    await server.line(/ready/);
    const running = stack.use(
      await contender.start({
        label: `${contender.name}-streams`,
        upstream: { port },
        servers: 1,
        cpu: pinning?.tested,
        pinning,
        nodeOptions,
        files,
      }),
    );
    stack.defer(() => listeners.forEach((one) => one.close()));
    // The first ones show how it is done, and are not counted.
    let opened = 0;
    const open = async (): Promise<void> => void listeners.push(await openListener(running, kind, opened++));
    for (let index = 0; index < AT_ONCE; index++) await open();
    await sleep(SETTLE_MS);
    onWarm();
    const before = processorTime(running.pids);
    await severalAtOnce(count, open);
    const allOpen = processorTime(running.pids);
    await sleep(SETTLE_MS);
    const idleFrom = processorTime(running.pids);
    await sleep(IDLE_MS);
    const idle = processorTime(running.pids);
    figures['streams'] = [count];
    figures['before'] = [before.memory];
    figures['open'] = [idle.memory];
    figures['perStream'] = [((idle.memory - before.memory) * 1000) / count];
    figures['opening'] = [difference(before, allOpen).total / count];
    figures['idle'] = [difference(idleFrom, idle).total / IDLE_MS];
    for (let round = 1; round <= plan.broadcasts; round++) {
      const spentFrom = processorTime(running.pids);
      const last = await broadcast(server, listeners, round);
      (figures['cpu'] ??= []).push(difference(spentFrom, processorTime(running.pids)).total / listeners.length);
      (figures['last'] ??= []).push(last);
    }
    await sleep(SETTLE_MS / 3);
    faults.push(...faultsOf(listeners, plan.broadcasts));
  } catch (error) {
    faults.push(withoutPaths(messageOf(error)));
  }
  return { contender: contender.name, does: contender.does, figures, faults };
}

/** Ms until the last listener has it, or until it is too late. */
async function broadcast(server: Started, listeners: readonly Listener[], round: number): Promise<number> {
  const begun = performance.now();
  server.tell('changed');
  while (listeners.some(({ changes, wrong }) => changes < round && wrong === '')) {
    if (performance.now() - begun > DELIVERY_PATIENCE_MS) break;
    await sleep(POLL_MS);
  }
  return Math.max(...listeners.map(({ lastAt }) => lastAt)) - begun;
}

function faultsOf(listeners: readonly Listener[], wanted: number): string[] {
  const wrong = listeners.flatMap((one) => (one.wrong === '' ? [] : [one.wrong]));
  const others = listeners.filter(({ changes }) => changes !== wanted).length;
  return [
    ...(wrong.length === 0 ? [] : [`${wrong.length} streams were wrong: ${wrong[0] ?? ''}`]),
    ...(others === 0 ? [] : [`${others} streams did not get each message once`]),
  ];
}

async function severalAtOnce(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
