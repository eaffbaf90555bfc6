/** Ids of tasks on the unified endpoint: sealed, so that each names its server and serves only the principal whose task it is. */
import { findSpan, sliceSpan, splice } from '../mcp/json-text.ts';
import {
  isObject,
  paramsOf,
  parseMessage,
  resultText,
  spanIn,
  type Json,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import type { Sealer } from '../mcp/sealed.ts';
import { GatewayError } from '../shared/errors.ts';

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
const PURPOSE = 'taskId';
/** Servers forget finished tasks sooner. */
const LIFETIME_MS = 7 * 24 * 60 * 60_000;
const TASK_METHOD = /^tasks\/(?:get|update|cancel)$/;

export function isTaskMethod(method: string | undefined): boolean {
  return method !== undefined && TASK_METHOD.test(method);
}

/** The server of the task that a request names, and the request with the id that this server knows. Throws `invalid_params`. */
export function openTaskId(
  sealer: Sealer,
  principal: string,
  message: Message,
): { readonly server: string; readonly message: Message } {
  const { taskId } = paramsOf(message);
  const opened = typeof taskId === 'string' ? sealer.open(taskId, { purpose: PURPOSE, principal }) : undefined;
  const [server, original] = Array.isArray(opened) ? (opened as readonly Json[]) : [];
  const span = spanIn(message, ['params', 'taskId']);
  if (typeof server !== 'string' || typeof original !== 'string' || span === undefined)
    throw new GatewayError('invalid_params', 'Unknown task.');
  return { server, message: parseMessage(splice(message.text, [{ span, text: JSON.stringify(original) }])) };
}

/** Throws `missing_client_capability` for a client that did not declare that it knows tasks. */
export function requireTasks(capabilities: JsonObject): void {
  const { extensions } = capabilities;
  if (isObject(extensions) && isObject(extensions[TASKS_EXTENSION])) return;
  throw new GatewayError('missing_client_capability', 'The client did not declare the extension for tasks.', {
    data: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
  });
}

/**
 * The raw text of a result whose task, if it names one, has its unified id: the one that the client asked with, or a
 * new one.
 */
export function sealTaskId(sealer: Sealer, task: TaskOrigin, answer: Message): string | undefined {
  const result = resultText(answer);
  const value = answer.value['result'];
  if (result === undefined || !isObject(value) || typeof value['taskId'] !== 'string') return result;
  const span = findSpan(result, ['taskId']);
  if (span === undefined) return result;
  return splice(result, [{ span, text: sealedTaskId(sealer, task, sliceSpan(result, span)) }]);
}

/** Whose task it is, and in which request it came. */
export interface TaskOrigin {
  readonly principal: string;
  readonly server: string;
  readonly asked: Message;
}

/** The unified id for the id of a task; both are JSON strings. */
export function sealedTaskId(sealer: Sealer, { principal, server, asked }: TaskOrigin, original: string): string {
  const given = isTaskMethod(asked.method) ? paramsOf(asked)['taskId'] : undefined;
  if (typeof given === 'string') return JSON.stringify(given);
  const id = JSON.parse(original) as string;
  return JSON.stringify(sealer.seal([server, id], { purpose: PURPOSE, principal }, LIFETIME_MS));
}
