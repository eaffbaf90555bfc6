/** Where in a successful response stands what an endpoint of several servers has to change. */
import type { Edit, Place } from './passing-edits.ts';

/** What takes the place of what; both are raw JSON text. undefined = it stays. */
export interface ResponseEdits {
  /** The URI of a resource. */
  readonly uri: ((raw: string) => string) | undefined;
  /** The id of a task. */
  readonly task: ((raw: string) => string) | undefined;
  /** The member `inputRequests` of a result that asks for input. */
  readonly questions: ((raw: string) => string) | undefined;
}

/** The places in the response to a request with this method. */
export function responsePlaces(method: string, { uri, task, questions }: ResponseEdits): Place {
  const members = new Map<string, Place>();
  if (uri !== undefined) for (const [name, place] of uriPlaces(method, uri)) members.set(name, place);
  if (task !== undefined) members.set('taskId', { edit: ofString(task), always: true });
  if (questions !== undefined)
    members.set('inputRequests', { edit: (raw, kind) => (kind === 'input_required' ? questions(raw) : raw) });
  return objectOf('result', questions === undefined ? { members } : { members, kind: 'resultType' });
}

/** The same, and what else is looked at in the result. */
export function withResult(places: Place, further: Place): Place {
  const result = places.members?.get('result');
  const members = new Map([...(result?.members ?? []), ...(further.members ?? [])]);
  return objectOf('result', { ...result, ...further, members });
}

function uriPlaces(method: string, uri: (raw: string) => string): readonly (readonly [string, Place])[] {
  const edit = ofString(uri);
  const block: Place = {
    kind: 'type',
    members: new Map([
      ['uri', { edit: ifKind('resource_link', edit) }],
      ['resource', objectOf('uri', { edit: ifKind('resource', edit) })],
    ]),
  };
  switch (method) {
    case 'tools/call':
      return [['content', { each: block }]];
    case 'prompts/get':
      // One block or, in later versions, several.
      return [['messages', { each: objectOf('content', { ...block, each: block }) }]];
    case 'resources/read':
      return [['contents', { each: objectOf('uri', { edit, always: true }) }]];
    default:
      return [];
  }
}

function objectOf(name: string, place: Place): Place {
  return { members: new Map([[name, place]]) };
}

function ifKind(wanted: string, edit: Edit): Edit {
  return (raw, kind) => (kind === wanted ? edit(raw, kind) : raw);
}

function ofString(edit: (raw: string) => string): Edit {
  return (raw) => (raw.startsWith('"') ? edit(raw) : raw);
}
