/** `/events`: what changes, as it happens. */
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import type { Access } from '../../config/registration.ts';
import { GatewayError } from '../../shared/errors.ts';
import { eventSchema } from '../contract/events.ts';
import { streamEvents } from '../events/event-stream.ts';
import { route, type Route } from '../http/route.ts';

/** Streams cost memory; dashboards need a handful, and nobody may take those of all others. */
const MAX_STREAMS = 200;
const MAX_STREAMS_OF_ONE = 50;

export const EVENT_ROUTES: readonly Route[] = [
  route({
    action: 'event.follow',
    method: 'GET',
    path: '/events',
    requires: { permission: 'events.read' },
    tag: 'Events',
    summary: 'Follows changes of state as they happen',
    description:
      'A stream of server-sent events. Each carries the audit action (`server.create`, `tool.update`, …), `health` or `reload` as its type. Only what the caller could read is told. Send `Last-Event-ID` to hear what was missed; an event `reset` says that this is not known any more: read the state again.',
    query: {
      types: z
        .string()
        .max(1_000)
        .optional()
        .meta({ description: 'Types with commas between them, or what they begin with: `health,server.`.' }),
    },
    answers: {
      200: {
        description: 'The stream; the schema is that of each `data`.',
        schema: eventSchema,
        contentType: 'text/event-stream',
      },
    },
    errors: ['too_many_sessions'],
    async handle(call) {
      const { events, currentPrincipal, runtime } = call.context;
      if (events.size >= MAX_STREAMS) {
        throw new GatewayError('too_many_sessions', `${MAX_STREAMS} clients follow events already; try again later.`);
      }
      const { subject } = call.principal;
      if (events.followedBy(subject) >= MAX_STREAMS_OF_ONE) {
        throw new GatewayError('too_many_sessions', `You follow events ${MAX_STREAMS_OF_ONE} times already; end one.`);
      }
      const { types } = call.query;
      const last = call.headers['last-event-id'];
      return {
        stream: (response) =>
          streamEvents(response, {
            bus: events,
            subject,
            principal: () => currentPrincipal(call.principal),
            accessOf: ({ kind, id }) => accessOf(runtime().config, kind, id),
            signal: call.signal,
            types: types === undefined ? undefined : types.split(',').map((type) => type.trim()),
            lastEventId: typeof last === 'string' ? last : undefined,
          }),
      };
    },
  }),
];

function accessOf({ servers, virtualServers }: Config, kind: string, id: string): Access | undefined {
  return kind === 'gateway'
    ? servers.find(({ registration }) => registration.id === id)?.registration.access
    : virtualServers.find((server) => server.id === id)?.access;
}
