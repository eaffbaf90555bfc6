/** How much is measured: everything, or a look at it. */

export interface Plan {
  readonly rounds: number;
  /** Of each round. */
  readonly seconds: number;
  /** Of each contender before the first round: compilers count requests and not seconds. */
  readonly warmUpRequests: number;
  readonly warmUpSeconds: number;
  /** Of each round, before it counts. */
  readonly leadInSeconds: number;
  readonly sessions: number;
  readonly soakSeconds: number;
  readonly streams: number;
  readonly broadcasts: number;
  /** Of a start or a reload. */
  readonly repeats: number;
  /** Only nginx and what is ours, except in workloads about the others. */
  readonly few: boolean;
}

export const FULL: Plan = {
  rounds: 5,
  seconds: 2,
  warmUpRequests: 60_000,
  warmUpSeconds: 8,
  leadInSeconds: 0.3,
  sessions: 1_000,
  soakSeconds: 600,
  streams: 10_000,
  broadcasts: 5,
  repeats: 5,
  few: false,
};

export const QUICK: Plan = {
  rounds: 2,
  seconds: 0.5,
  warmUpRequests: 20_000,
  warmUpSeconds: 3,
  leadInSeconds: 0.1,
  sessions: 200,
  soakSeconds: 10,
  streams: 1_000,
  broadcasts: 3,
  repeats: 1,
  few: true,
};
