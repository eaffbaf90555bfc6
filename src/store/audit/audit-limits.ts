/** How much of the audit log stays, and what stands for the rest. */

/** What stands in the place of removed lines. */
export interface AuditCheckpoint {
  /** Lines 1 to this one are gone. */
  readonly removed: number;
  /** Of the last of them: what the next line goes on from. */
  readonly hash: string;
  /** ms since the epoch. */
  readonly at: number;
  /** The line that tells of it. */
  readonly line: number;
}

/** Which lines may stay. Whatever is beyond one of the limits goes; the newest line never does. */
export interface AuditLimits {
  readonly keepLines?: number | undefined;
  readonly keepDays?: number | undefined;
  /** Up to this line, which must have this hash. */
  readonly through?: { readonly sequence: number; readonly hash: string } | undefined;
  /** Fewer are not worth a line that tells of it. */
  readonly atLeast?: number | undefined;
}

export interface PrunedAudit {
  /** How many went now. */
  readonly lines: number;
  /** Lines 1 to this one are gone. */
  readonly removed: number;
}
