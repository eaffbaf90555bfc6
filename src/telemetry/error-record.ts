/** What is logged of an error: its kind, its code, what happened in detail, and what caused it. */

/** Longer chains of causes repeat themselves. */
const MAX_CAUSES = 5;
const MAX_GROUPED = 10;

/** A plain object for the log. Nothing in it has been redacted yet. */
export function errorRecord(error: Error, causes = 0): Record<string, unknown> {
  // Own fields carry what Node and libraries add: errno, syscall, address, port. `cause`, `stack` and `message` are not enumerable.
  const record: Record<string, unknown> = { type: error.name };
  record['message'] = error.message;
  Object.assign(record, error);
  delete record['name'];
  if ('source' in error) record['source'] = error.source;
  record['stack'] = error.stack;
  if (error.cause !== undefined)
    record['cause'] = causes < MAX_CAUSES ? causeRecord(error.cause, causes + 1) : '[more causes]';
  if (error instanceof AggregateError) {
    record['errors'] = error.errors.slice(0, MAX_GROUPED).map((each: unknown) => causeRecord(each, causes + 1));
  }
  return record;
}

function causeRecord(cause: unknown, causes: number): unknown {
  return cause instanceof Error ? errorRecord(cause, causes) : cause;
}
