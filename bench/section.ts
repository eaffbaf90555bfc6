/** What the measuring of one workload gives: a table with a row for each contender. */

export interface Section extends Measurement {
  readonly name: string;
  readonly group: string;
  readonly title: string;
  /** Commit that was measured, and the day. */
  readonly commit: string;
  readonly date: string;
  /** Processors' worth of work that others did meanwhile. */
  readonly foreign: number;
  readonly profiles: readonly Profile[];
}

export interface Measurement {
  /** The load, in words. */
  readonly how: string;
  readonly columns: readonly Column[];
  /** Key of the figure that is put in relation to the yardstick's. */
  readonly ratio?: string;
  /** Contender to which ratios refer. */
  readonly yardstick?: string;
  readonly rows: readonly Row[];
  /** Why nothing was measured; then there are no rows. */
  readonly skipped?: string;
}

export interface Column {
  readonly key: string;
  /** With its unit. */
  readonly title: string;
  /** Shows least and most beside the median. */
  readonly spread?: boolean;
}

export interface Row {
  readonly contender: string;
  readonly does: string;
  /** By column: one figure for each round, or one for all. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
  /** What makes the figures worthless; empty when they hold. */
  readonly faults: readonly string[];
}

export interface Profile {
  readonly contender: string;
  /** Shares of the samples in which the program did anything, largest first. */
  readonly top: readonly { readonly where: string; readonly share: number }[];
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** undefined when there is no figure. */
export function spreadOf(values: readonly number[] | undefined): Spread | undefined {
  const sorted = (values ?? []).toSorted((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  const [below, above] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (least === undefined || most === undefined || below === undefined || above === undefined) return undefined;
  return { median: (below + above) / 2, least, most };
}

/**
 * How many times the one is the other. Rounds are compared with the round of the other that was next to it: what the
 * machine did meanwhile concerns both. undefined when one of them has no figure.
 */
export function timesOf(one: Row | undefined, other: Row | undefined, key: string): Spread | undefined {
  const [ours, theirs] = [one?.figures[key] ?? [], other?.figures[key] ?? []];
  if (ours.length !== theirs.length) {
    const [a, b] = [spreadOf(ours), spreadOf(theirs)];
    return a && b && b.median > 0
      ? { median: a.median / b.median, least: a.least / b.median, most: a.most / b.median }
      : undefined;
  }
  return spreadOf(
    ours.flatMap((value, round) => {
      const base = theirs[round] ?? 0;
      return base > 0 ? [value / base] : [];
    }),
  );
}
