/** Resident memory: idle, with a thousand sessions, and after minutes of load. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Running } from '../contender.ts';
import { nginx } from '../contenders/nginx.ts';
import { mcpProxy, sdkProxy, supergateway } from '../contenders/peers.ts';
import { variant } from '../contenders/variants.ts';
import { applyLoad, prepare } from '../load/generator.ts';
import type { LoadWorkload } from '../load/load-workload.ts';
import { bodyOf, headersOf, openSession, post } from '../load/requests.ts';
import { messageOf, withoutPaths } from '../machine/paths.ts';
import { pinned } from '../machine/pinning.ts';
import { processorTime } from '../machine/processor-time.ts';
import type { Column, Measurement, Row } from '../section.ts';
import type { Stage, Workload } from '../stage.ts';

const SETTLE_MS = 3_000;
const AT_ONCE = 8;
/** Requests a second: what a busy team sends. */
const SOAK_RATE = 2_000;
/** The first part of the load, after which memory should not grow any more. */
const EARLY_SHARE = 0.1;

const gatehouse = variant('gatehouse');
/** The one that is loaded for minutes; the others are only asked once in each session. */
const SOAKED = gatehouse.name;

const SOAK: LoadWorkload = {
  name: 'memory',
  title: 'soak',
  request: { kind: 'call', answerSize: 2_000, padding: 500, events: 0 },
  era: 'legacy',
  connections: 32,
  rate: SOAK_RATE,
  wire: 'http',
  servers: 1,
  tools: 1,
  contenders: [],
};

const COLUMNS: readonly Column[] = [
  { key: 'idle', title: 'MB idle' },
  { key: 'sessions', title: 'MB with sessions' },
  { key: 'perSession', title: 'kB/session' },
  { key: 'early', title: 'MB after a tenth of the load' },
  { key: 'soaked', title: 'MB after all of it' },
  { key: 'cpu', title: 'CPU µs/request' },
];

export const MEMORY: Workload = {
  name: 'memory',
  group: 'memory',
  title: 'resident memory',
  contenders: [nginx, gatehouse, sdkProxy, mcpProxy, supergateway],
  open: false,
  async measure(stage, contenders): Promise<Measurement> {
    const rows: Row[] = [];
    for (const contender of contenders) rows.push(await measureMemory(stage, contender));
    const { sessions, soakSeconds } = stage.plan;
    return {
      how: `Idle; with ${sessions.toLocaleString('en')} legacy sessions, each with one call; then Gatehouse with ${soakSeconds} s of ${SOAK_RATE.toLocaleString('en')} calls/s on 32 connections, with the sessions still open. Of all processes together.`,
      columns: COLUMNS,
      rows,
    };
  },
};

async function measureMemory(stage: Stage, contender: Contender): Promise<Row> {
  const { plan, pinning, upstreams, nodeOptions } = stage;
  const figures: Record<string, number[]> = {};
  const faults: string[] = [];
  try {
    const upstream = await upstreams.for({ era: SOAK.era, wire: SOAK.wire, tools: SOAK.tools });
    const label = `${contender.name}-memory`;
    await using running = await contender.start({
      ...{ label, upstream, servers: 1, cpu: pinning?.tested, pinning, nodeOptions },
    });
    const memory = async (): Promise<number> => {
      await sleep(SETTLE_MS);
      return processorTime(running.pids).memory;
    };
    const idle = await memory();
    figures['idle'] = [idle];
    if (running.sessions) {
      await openSessions(running, plan.sessions);
      const sessions = await memory();
      figures['sessions'] = [sessions];
      figures['perSession'] = [((sessions - idle) * 1000) / plan.sessions];
    }
    if (contender.name === SOAKED) {
      const requests = await prepare(SOAK, running, { label, ca: undefined, together: false });
      const load = { pinned: pinned(pinning?.rest, pinning) };
      const parts = [EARLY_SHARE, 1 - EARLY_SHARE].map((share) => share * plan.soakSeconds);
      for (const [index, seconds] of parts.entries()) {
        const before = processorTime(running.pids);
        const result = await applyLoad(requests, { ...load, seconds });
        const spent = processorTime(running.pids).total - before.total;
        figures[index === 0 ? 'early' : 'soaked'] = [await memory()];
        figures['cpu'] = [spent / Math.max(1, result.requests)];
        if (result.wrong > 0) faults.push(`wrong answers (${withoutPaths(result.firstWrong)})`);
        if (result.unfinished > 0) faults.push('requests without an answer');
      }
    }
  } catch (error) {
    faults.push(withoutPaths(messageOf(error)));
  }
  return { contender: contender.name, does: contender.does, figures, faults };
}

/** Each asks once, and the answer must have what was asked for. */
async function openSessions(running: Running, count: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const id = 1_000_000 + next++;
      const session = await openSession(running);
      const nonce = String(id).padStart(16, '0');
      const body = bodyOf(SOAK.request, SOAK.era, running.tool)
        .replace('\x01', String(id))
        .replace('\x02', nonce)
        .replace('\x03', '');
      const { text } = await post(running, body, headersOf(SOAK.era, 'tools/call', running.tool, session));
      if (!text.includes(`"id":${id}`) || !text.includes(nonce)) throw new Error(`wrong answer: ${text.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
