/** Every MUST that the Model Context Protocol sets for what stands between a client and a server, in both eras. */
import type { RequirementGroup } from './requirements.ts';

/**
 * Documents, in the revision 2026-07-28 unless said otherwise: SH basic/transports/streamable-http, ST
 * basic/transports/stdio, BI basic/index, V basic/versioning, MRTR, SUB, CAN and PROG basic/patterns, CA and PAG and
 * LOG server/utilities, D server/discover, TO server/tools, EL client/elicitation, AU basic/authorization; T25 is
 * 2025-11-25 basic/transports, SBP the security best practices, TK the extension io.modelcontextprotocol/tasks.
 */
export const MCP_REQUIREMENT_GROUPS: readonly RequirementGroup[] = [
  group('MCP: HTTP', 'MCP-HTTP', [
    ['a foreign Origin or Host is refused with 403', 'SH §Security'],
    ['a notification is accepted with 202', 'SH §Sending'],
    ['headers that contradict the body are refused: -32020, HTTP 400', 'SH §Server Validation'],
    ['a header that is missing beside its body is refused: -32020', 'SH §Server Validation'],
    ['a base64 value of a header is decoded before it is compared', 'SH §Value Encoding'],
    ['custom headers that contradict the arguments are refused', 'SH §Custom Headers'],
    ['an unknown method is 404 with -32601', 'SH §Sending'],
    ['an unsupported version is 400 with -32022 and what the route can serve', 'V §Negotiation'],
    ['a request without its required _meta is 400 with -32602', 'BI §_meta'],
    ['a missing client capability is 400 with -32021 and names what is missing', 'BI §Capabilities'],
    ['unknown Mcp-Param headers reach the server unchanged', 'SH §Custom Headers'],
    ['Mcp-Name names the tool, prompt, resource or task as the server knows it', 'SH §Standard Headers'],
    [
      'the gateway sends the standard and the custom headers itself when its client is of the legacy era',
      'SH §Client Behavior',
    ],
    ['tools with an invalid x-mcp-header are left out', 'SH §Client Behavior'],
    ['a Mcp-Session-Id means nothing in a modern request, and none is given out', 'SH §Earlier revisions'],
  ]),
  group('MCP: cancellation', 'MCP-CAN', [
    ['a modern client that leaves has cancelled: the request upstream ends', 'CAN §HTTP'],
    ['on a container the cancellation names the id that the server knows', 'CAN §stdio'],
    ['nothing more is sent for a request that was cancelled', 'CAN §Behavior'],
    ['a legacy client that leaves has not cancelled', 'T25 §Sending'],
    ['an explicit cancellation ends the one request it names, among equal ids of other clients', 'CAN §Behavior'],
    ['a call that was sent is not sent again after a broken stream', 'SH §Streams'],
  ]),
  group('MCP: ids and tokens', 'MCP-IDS', [
    ['ids are unique on a shared wire, and come back with value and type', 'BI §Requests'],
    ['progress tokens are unique on a shared wire, and come back with value and type', 'PROG §Token'],
    ['progress goes to the stream of its request, and ends with the answer', 'PROG §Behavior'],
    ['a modern client gets log messages only for requests that asked for them', 'LOG §Level'],
    ['unknown _meta keys and unknown fields reach the other side', 'BI §_meta'],
    ['no answer reaches another client', 'BI §Requests'],
  ]),
  group('MCP: many servers', 'MCP-AGG', [
    ['a cursor that is not one of ours is refused with -32602', 'PAG §Errors'],
    ['results that may be kept say for how long and by whom, the strictest of all', 'CA §Fields'],
    ['what is private is never given to another principal', 'CA §Security'],
    ['a change notice makes the lists be fetched again', 'CA §Invalidation'],
    ['a listing with a hole may not be kept', 'CA §Fields'],
    ['servers see the capabilities of the real client', 'MRTR §Server Requirements'],
    ['a route offers what it can deliver', 'D §Result'],
    ['names and URIs are turned back wherever they occur', 'TO §Names'],
  ]),
  group('MCP: subscriptions', 'MCP-SUB', [
    ['the acknowledgement comes first and names what is honoured', 'SUB §Acknowledgement'],
    ['nothing is delivered that was not asked for', 'SUB §Filter'],
    ['every message carries the id of the subscription as the client knows it', 'SUB §Identification'],
  ]),
  group('MCP: input required', 'MCP-MRTR', [
    ['requestState reaches the server as it was given', 'MRTR §Client Requirements'],
    ['a state of ours that was changed is refused with -32602', 'MRTR §Server Requirements 4'],
    ['a state of ours is worth nothing to another principal', 'MRTR §Server Requirements 5'],
    ['only calls, prompts and reads are answered so', 'MRTR §Methods'],
    ['every answer asks for something or gives a state', 'MRTR §Result'],
    ['nothing is asked that the client has not declared', 'MRTR §Server Requirements'],
  ]),
  group('MCP: between the eras', 'MCP-ERA', [
    [
      'a legacy client is asked by requests on the stream of its call, and the call goes on with the answers',
      'MRTR; T25 §Streams',
    ],
    ['a modern client is answered input_required for the question of a legacy server, and its retry goes on', 'MRTR'],
    ['modern clients get resultType, ttlMs and cacheScope from legacy servers too', 'BI §Results; CA §Fields'],
    ['legacy clients get none of them', '2025-11-25 schema'],
    [
      'the era of a server is found out, whatever it answers to the first question',
      'V §Compatibility; ST §Compatibility',
    ],
    ['an error that says nothing of the era is not taken as evidence', 'V §Compatibility'],
  ]),
  group('MCP: sessions', 'MCP-SES', [
    ['session ids are visible ASCII and cannot be guessed', 'T25 §Session Management'],
    ['a session is worth nothing to another principal', 'SBP §Session Hijacking'],
    ['after its end a session is 404', 'T25 §Session Management'],
    ['a request that needs a session and names none is 400', 'T25 §Session Management'],
    ['the end of a session ends its sessions with servers', 'T25 §Session Management'],
    ['a message goes to one stream', 'T25 §Multiple Connections'],
    ['session ids of servers stay here', 'SBP §Session Hijacking'],
    ['an unknown MCP-Protocol-Version is 400', 'T25 §Protocol Version Header'],
    ['event ids are unique in a session', 'T25 §Resumability'],
    ['only the stream of the event is replayed', 'T25 §Resumability'],
  ]),
  group('MCP: tasks', 'MCP-TSK', [
    ['a request about a task reaches the server of the task', 'TK §Routing Headers'],
    ['a task that is unknown is -32602', 'TK §Errors'],
    ['only a client that declared the extension gets tasks', 'TK §Capabilities'],
  ]),
  group('MCP: credentials', 'MCP-AUT', [
    ["a client's credentials never reach a server", 'AU §Token Handling'],
    ['the challenge of a server is not passed on to clients', 'AU §Token Handling'],
  ]),
];

function group(
  name: string,
  prefix: string,
  rows: readonly (readonly [title: string, reference: string])[],
): RequirementGroup {
  const requirements = rows.map(([title, reference], index) => ({
    id: `${prefix}-${String(index + 1).padStart(3, '0')}`,
    title,
    reference,
    mandatory: true,
  }));
  return { name, requirements };
}
