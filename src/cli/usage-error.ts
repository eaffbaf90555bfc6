/** The command line, or the environment that stands in for it, asks for something that cannot be done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** One sentence for each thing that is wrong; at least one. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
