/** Certificates, keys or lists that cannot be used, with the file and the reason. */

/** One thing that is wrong. The message begins with `where` and never holds key material. */
export class MaterialError extends Error {
  override readonly name = 'MaterialError';
  /** Path of the file; for PEM text the name of the field. */
  readonly where: string;
  readonly reason: string;

  constructor(where: string, reason: string, cause?: unknown) {
    super(`${where}: ${reason}`, cause === undefined ? undefined : { cause });
    this.where = where;
    this.reason = reason;
  }
}

/** Everything that was found wrong at once. */
export class MaterialErrors extends Error {
  override readonly name = 'MaterialErrors';
  readonly problems: readonly MaterialError[];

  constructor(problems: readonly MaterialError[]) {
    super(problems.map(({ message }) => message).join('; '));
    this.problems = problems;
  }
}
