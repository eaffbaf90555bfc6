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
