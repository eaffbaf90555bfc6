/** What all workloads of a run share. */
import type { Contender } from './contender.ts';
import type { Pinning } from './machine/pinning.ts';
import type { Upstreams } from './machine/upstreams.ts';
import type { Plan } from './plan.ts';
import type { Measurement } from './section.ts';

export interface Stage {
  readonly plan: Plan;
  readonly pinning: Pinning | undefined;
  readonly upstreams: Upstreams;
  /** Options for Node that record a profile of what is ours. */
  readonly nodeOptions: readonly string[];
  /** Called when what is to be measured begins; what a program did before does not belong to its profile. */
  readonly onWarm: () => void;
}

export interface Workload {
  readonly name: string;
  readonly group: string;
  /** For people. */
  readonly title: string;
  /** In the order of the table. */
  readonly contenders: readonly Contender[];
  /** Others, which somebody has started, can take part. */
  readonly open: boolean;
  measure(stage: Stage, contenders: readonly Contender[]): Promise<Measurement>;
}
