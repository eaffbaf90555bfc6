/** The arguments of `npm run bench`. */
import { parseArgs } from 'node:util';
import type { Contender } from './contender.ts';
import { gatehouse } from './contenders/gatehouse.ts';
import { remote } from './contenders/peers.ts';
import { resolve } from 'node:path';
import { FULL, QUICK, type Plan } from './plan.ts';
import type { Workload } from './stage.ts';

export interface Options {
  readonly help: boolean;
  readonly plan: Plan;
  /** Those to measure. */
  readonly workloads: readonly Workload[];
  /** Names of contenders; empty = all. */
  readonly contenders: readonly string[];
  /** Others that take part where they can. */
  readonly peers: readonly Contender[];
  readonly profile: boolean;
  /** Write the figures: of everything, or in the places of those that were written before. */
  readonly write: boolean;
}

/** Throws an error that says what is wrong with an argument. */
export function readOptions(args: readonly string[], all: readonly Workload[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      contender: { type: 'string', multiple: true, default: [] },
      peer: { type: 'string', multiple: true, default: [] },
      checkout: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      profile: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [only, contenders] = [listOf(values.only), listOf(values.contender)];
  for (const name of only)
    if (!all.some((workload) => workload.name === name || workload.group === name))
      throw new Error(`there is no workload or group "${name}"; see --help`);
  const workloads = all.filter(({ name, group }) => only.length === 0 || only.includes(name) || only.includes(group));
  const whole = workloads.length === all.length && contenders.length === 0 && !values.quick;
  return {
    help: values.help,
    plan: planFrom(values.quick ? QUICK : FULL, values.rounds),
    workloads,
    contenders,
    peers: [...values.peer.map(readPeer), ...values.checkout.map(readCheckout)],
    profile: values.profile,
    write: whole || values.keep,
  };
}

export const USAGE = `npm run bench -- [flags]

  --only NAME[,…]        these workloads or groups
  --contender NAME[,…]   these contenders
  --peer NAME=URL        another gateway that runs: http://TOKEN@127.0.0.1:4444/mcp?tool=echo
  --checkout NAME=FOLDER another checkout of Gatehouse beside this one: before and after in one table
  --quick                a look in about five minutes, written nowhere
  --rounds N             so many rounds
  --profile              also where the time of Gatehouse goes
  --keep                 write the figures of --only in the places of those in bench/results
  --help                 this, and all workloads
`;

function listOf(values: readonly string[]): string[] {
  return values.flatMap((item) => item.split(','));
}

function planFrom(plan: Plan, rounds: string | undefined): Plan {
  if (rounds === undefined) return plan;
  const count = Number(rounds);
  if (!Number.isInteger(count) || count < 1 || count > 100) throw new Error('--rounds takes a number from 1 to 100');
  return { ...plan, rounds: count };
}

function readPeer(text: string): Contender {
  const [name, url] = pairOf(text);
  if (name === undefined || url === undefined || !URL.canParse(url))
    throw new Error(`--peer ${text}: give a name and a URL, such as other=http://127.0.0.1:4444/mcp?tool=echo`);
  return remote(name, new URL(url));
}

function readCheckout(text: string): Contender {
  const [name, folder] = pairOf(text);
  if (name === undefined || folder === undefined)
    throw new Error(`--checkout ${text}: give a name and a folder, such as before=../gatehouse-before`);
  return gatehouse({ name, does: 'another checkout of Gatehouse', checkout: resolve(folder) });
}

function pairOf(text: string): readonly (string | undefined)[] {
  const [, name, value] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  return [name, value];
}
