/** `npm run bench`: Gatehouse beside its neighbours, on loopback. See bench/README.md. */
import type { Contender } from './contender.ts';
import { pinHere } from './machine/pinning.ts';
import { keepLogs, runFolder } from './machine/run-folder.ts';
import { openUpstreams } from './machine/upstreams.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { commit, machineFacts, versionFacts } from './report/machine-facts.ts';
import { hottest, microseconds, profileOptions } from './report/profile.ts';
import { merged, newestReport, writeReport, type Report } from './report/report.ts';
import { sectionText, targetTable } from './report/tables.ts';
import { spreadOf, type Measurement, type Profile, type Section } from './section.ts';
import type { Stage, Workload } from './stage.ts';
import { verdictsOf } from './targets.ts';
import { WORKLOADS } from './workloads.ts';

const FEW = new Set(['haproxy', 'node-proxy', 'gatehouse-slow']);

/** Enough for where the time goes. */
const PROFILED = {
  rounds: 1,
  warmUpSeconds: 4,
  repeats: 1,
  soakSeconds: 5,
  sessions: 200,
  streams: 2_000,
  broadcasts: 2,
};

const options = readOptions(process.argv.slice(2), WORKLOADS);
if (options.help) {
  console.log(USAGE);
  for (const { name, group, title } of WORKLOADS) console.log(`  ${group.padEnd(12)} ${name.padEnd(17)} ${title}`);
} else process.exitCode = (await bench(options)) ? 0 : 1;

/** True when every figure holds. */
async function bench({ plan, workloads, contenders, peers, profile, write }: Options): Promise<boolean> {
  process.env['TMPDIR'] = runFolder('tmp');
  const pinning = pinHere();
  const before = write ? newestReport() : undefined;
  const whole = workloads.length === WORKLOADS.length;
  const date = new Date().toISOString().slice(0, 10);
  // What is written meanwhile must not count as a change.
  const measuredCommit = commit();
  const facts = { date, machine: machineFacts(), plan, pinned: pinning !== undefined };
  const sections: Section[] = [];
  await using upstreams = openUpstreams(pinning);
  const stage: Stage = { plan, pinning, upstreams, nodeOptions: [], onWarm: () => undefined };
  const report = (): Report => ({
    ...(whole || before === undefined ? { ...facts, versions: versionFacts(measuredCommit) } : before),
    sections: merged(
      whole ? [] : (before?.sections ?? []),
      sections,
      WORKLOADS.map(({ name }) => name),
    ),
  });
  for (const workload of workloads) {
    const own = workload.contenders.filter(({ name }) =>
      contenders.length > 0 ? contenders.includes(name) : !plan.few || !FEW.has(name),
    );
    const chosen = [...own, ...(workload.open ? peers : [])];
    if (chosen.length === 0) continue;
    const measured = await measuredOrNot(workload, stage, chosen);
    const section: Section = {
      ...{ name: workload.name, group: workload.group, title: workload.title, date, commit: measuredCommit },
      ...measured,
      foreign: spreadOf(measured.rows.flatMap(({ figures }) => figures['foreign'] ?? []))?.median ?? 0,
      profiles: [],
    };
    sections.push(section);
    // A run that is broken off has written what it has.
    if (write) writeReport(report());
    if (profile) sections.splice(-1, 1, { ...section, profiles: await profilesOf(workload, stage, chosen) });
    console.log(`${sectionText(sections.at(-1) ?? section)}\n`);
    if (profile && write) writeReport(report());
  }
  console.log(targetTable(verdictsOf(sections)));
  if (write) console.log(`\nwritten: ${writeReport(report())}`);
  const faulty = sections.filter(({ rows }) => rows.some(({ faults }) => faults.length > 0));
  if (faulty.length > 0) {
    console.error(`\nfigures do not hold: ${faulty.map(({ name }) => name).join(', ')}; logs are in ${keepLogs()}`);
  }
  return faulty.length === 0;
}

/** One workload that cannot be measured does not end the others. */
async function measuredOrNot(workload: Workload, stage: Stage, chosen: readonly Contender[]): Promise<Measurement> {
  try {
    for (const contender of chosen) contender.prepare?.();
    return await workload.measure(stage, chosen);
  } catch (error) {
    console.error(error);
    const fault = `could not be measured: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
    return { how: '', columns: [], rows: [{ contender: workload.name, does: '', figures: {}, faults: [fault] }] };
  }
}

/** Runs of their own: the profiler itself costs time. */
async function profilesOf(workload: Workload, stage: Stage, chosen: readonly Contender[]): Promise<Profile[]> {
  const profiles: Profile[] = [];
  const plan = { ...stage.plan, ...PROFILED };
  for (const contender of chosen.filter(({ profiled }) => profiled === true)) {
    const name = `${workload.name}-${contender.name}`;
    let warmAt = 0;
    const onWarm = (): void => void (warmAt = microseconds());
    await measuredOrNot(workload, { ...stage, plan, nodeOptions: profileOptions(name), onWarm }, [contender]);
    try {
      const top = hottest(name, warmAt);
      if (top.length > 0) profiles.push({ contender: contender.name, top });
    } catch (error) {
      // One that was killed has half a profile: no reason to lose figures.
      console.error(error);
    }
  }
  return profiles;
}
