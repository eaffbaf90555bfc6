/** Switching something on or off, as this API and as ContextForge say it. */
import { invalidInput } from './http/problem.ts';

export interface StateRequest {
  readonly body: { readonly enabled: boolean } | undefined;
  readonly query: { readonly activate?: boolean | undefined };
}

/** `{"enabled": …}` or `?activate=…`. Throws `invalid_input` for neither. */
export function wantedState({ body, query }: StateRequest): boolean {
  const wanted = body?.enabled ?? query.activate;
  if (wanted !== undefined) return wanted;
  throw invalidInput([{ pointer: '/enabled', detail: 'is missing', remedy: 'Send {"enabled": true} or false.' }]);
}
