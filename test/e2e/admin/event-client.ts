/** Follows `/events` as a client does. */

export interface FollowedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventClient extends AsyncDisposable {
  readonly status: number;
  /** All so far, heartbeats left out. */
  readonly events: readonly FollowedEvent[];
  /** True once the gateway has ended the stream. */
  readonly ended: boolean;
}

/** Resolves when the gateway has begun to answer. */
export async function followEvents(
  url: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventClient> {
  const abort = new AbortController();
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: abort.signal,
  });
  const state: { events: FollowedEvent[]; ended: boolean } = { events: [], ended: false };
  const reading = (async () => {
    let text = '';
    try {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk;
        state.events = parseEvents(text);
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
    state.ended = true;
  })();
  return {
    status: response.status,
    get events() {
      return state.events;
    },
    get ended() {
      return state.ended;
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await reading;
    },
  };
}

function parseEvents(text: string): FollowedEvent[] {
  const whole = text.split('\n\n').slice(0, -1);
  return whole.flatMap((block) => {
    const fields = new Map(block.split('\n').map((line) => splitField(line)));
    const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
    if (id === undefined || event === undefined || data === undefined) return [];
    return [{ id, event, data: JSON.parse(data) as FollowedEvent['data'] }];
  });
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, colon), line.slice(colon + 2)];
}
