/** `npm run bench`: Gatehouse beside its neighbours, on loopback. See bench/README.md. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Contender } from './contender.ts';
import { gatehouse } from './contenders/gatehouse.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { nodeProxy } from './contenders/node-proxy.ts';
import { mcpProxy, remote, sdkProxy, supergateway } from './contenders/peers.ts';
import { measure, type Plan } from './measure.ts';
import { buildNative, findProxies } from './native.ts';
import { canPin, run } from './processes.ts';
import { hottest, profileOptions } from './profile.ts';
import { machine, markdown, writeReport, type Report, type Result } from './report.ts';
import { startUpstreams } from './upstreams.ts';
import { WORKLOADS, type Workload } from './workload.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    contender: { type: 'string', multiple: true, default: [] },
    peer: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const FULL = { rounds: 5, seconds: 2, warmUpRequests: 100_000 };
const QUICK = { rounds: 3, seconds: 1, warmUpRequests: 40_000 };

const KNOWN: readonly Contender[] = [
  nginx,
  haproxy,
  nodeProxy,
  gatehouse('gatehouse', 'everything on: authentication, authorization, validation, routing, limits, access log'),
  gatehouse('gatehouse-slow', 'the same without the fast path', ['--fast-path', 'off']),
  sdkProxy,
  mcpProxy,
  supergateway,
];

if (options.help) {
  console.log(
    'npm run bench -- [--only WORKLOAD[,…]] [--contender NAME[,…]] [--peer NAME=URL] [--quick] [--rounds N] [--profile]\n',
  );
  for (const { name, title } of WORKLOADS) console.log(`  ${name.padEnd(14)} ${title}`);
} else process.exitCode = (await bench()) ? 0 : 1;

/** True when every figure holds. */
async function bench(): Promise<boolean> {
  const chosen = (all: readonly string[], wanted: readonly string[]): boolean =>
    wanted.length === 0 || all.some((name) => wanted.includes(name));
  const [only, wanted] = [options.only, options.contender].map((list) => list.flatMap((item) => item.split(',')));
  for (const name of only ?? [])
    if (!WORKLOADS.some((workload) => workload.name === name))
      throw new Error(`there is no workload "${name}"; see --help`);
  const peers = options.peer.map(readPeer);
  const native = buildNative();
  const proxies = findProxies();
  const pinned = canPin && cpus().length > 1;
  const plan: Plan = {
    ...(options.quick ? QUICK : FULL),
    ...(options.rounds === undefined ? {} : { rounds: Number(options.rounds) }),
    cpus: pinned ? { tested: 0, rest: 1 } : undefined,
  };
  await using upstreams = await startUpstreams(native, proxies, plan.cpus?.rest);
  const results: Result[] = [];
  for (const workload of WORKLOADS) {
    if (!chosen([workload.name], only ?? [])) continue;
    const contenders = KNOWN.filter(({ name }) => workload.contenders.includes(name) && chosen([name], wanted ?? []));
    const upstream = upstreams.for(workload.era, workload.wire);
    const context = { native, proxies, upstream, cpu: plan.cpus?.tested, nodeOptions: [] };
    const stage = { contenders: [...contenders, ...peers], context, upstream, upstreamPids: upstreams.pids };
    const measured = await measure(workload, plan, stage);
    const profile = options.profile ? await profiled(workload, plan, { ...stage, context }) : [];
    results.push({ workload, measured, profile });
    console.log(markdown({ ...facts(plan), results: results.slice(-1) }).replace(/^.*?(?=###)/s, ''));
  }
  const report = { ...facts(plan), results };
  // Part of a table would replace the whole one.
  const whole = only?.length === 0 && wanted?.length === 0 && !options.quick;
  if (whole) console.log(`written: ${writeReport(report)}`);
  return results.every(({ measured }) => measured.every(({ faults }) => faults.length === 0));
}

/** A run of its own: the profiler itself costs time. */
async function profiled(
  workload: Workload,
  plan: Plan,
  stage: Parameters<typeof measure>[2],
): Promise<Result['profile']> {
  const contenders = stage.contenders.filter(({ name }) => name === 'gatehouse');
  if (contenders.length === 0) return [];
  const context = { ...stage.context, nodeOptions: profileOptions(workload.name) };
  await measure(workload, { ...plan, rounds: 2 }, { ...stage, contenders, context });
  return hottest(workload.name);
}

function readPeer(text: string): Contender {
  const [, name, url] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || url === undefined || !URL.canParse(url))
    throw new Error(`--peer ${text}: give a name and a URL, such as other=http://127.0.0.1:4444/mcp?tool=echo`);
  return remote(name, new URL(url));
}

function facts(plan: Plan): Omit<Report, 'results'> {
  const { nginx: nginxCommand, haproxy: haproxyCommand } = findProxies();
  const version = (command: readonly string[], pattern: RegExp): string =>
    pattern.exec(run(['sh', '-c', '"$@" 2>&1', 'sh', ...command]))?.[1] ?? 'unknown';
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: {
      node: process.versions.node,
      nginx: version([...nginxCommand, '-v'], /nginx\/([\d.]+)/),
      haproxy: version([...haproxyCommand, '-v'], /version ([\d.]+)/),
      gatehouse: run(['git', 'describe', '--always', '--dirty']).trim(),
    },
    plan,
  };
}
