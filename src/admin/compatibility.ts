/** Bodies as clients of IBM ContextForge send them, in the words of this API. */

type Fields = Readonly<Record<string, unknown>>;

/** `{"server": {…}, "visibility": …}`, `associated_tools`, `team_id`, `owner_email` and what it has that means nothing here. */
export function virtualServerOfContextForge(body: unknown): unknown {
  if (!isFields(body)) return body;
  const inner = body['server'];
  const { server: _server, ...outer } = body;
  return renamed(isFields(inner) ? { ...outer, ...inner } : body, {
    associated_tools: 'tools',
    associated_resources: 'resources',
    associated_prompts: 'prompts',
    team_id: 'team',
    owner_email: 'owner',
  });
}

/** A name that stands there in our words already is not replaced. */
export function renamed(fields: Fields, names: Readonly<Record<string, string>>): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const ours = Object.hasOwn(names, name) ? names[name] : undefined;
      return [ours === undefined || Object.hasOwn(fields, ours) ? name : ours, value];
    }),
  );
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `expires_in_days`, and a `scope` with `server_id`, `permissions`, `ip_restrictions`. */
export function tokenOfContextForge(body: unknown): unknown {
  if (!isFields(body)) return body;
  const { scope, ...fields } = body;
  const { server_id: server, ...limits } = isFields(scope) ? scope : {};
  const confined = typeof server === 'string' && server !== '' ? { virtualServers: [server] } : {};
  return renamed(
    { ...fields, ...confined, ...withoutEmpty(limits) },
    {
      expires_in_days: 'expiresInDays',
      ip_restrictions: 'addresses',
      user_email: 'user',
    },
  );
}

/** There, an empty list and an empty object mean no limit. */
function withoutEmpty(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) =>
        value !== null && !(Array.isArray(value) && value.length === 0) && !(isFields(value) && isEmpty(value)),
    ),
  );
}

function isEmpty(fields: Fields): boolean {
  return Object.keys(fields).length === 0;
}
