/** Renders the reference page of the configuration from the schemas and tables that check it. */
import * as z from 'zod';
import { ACCEPTED, REFUSED, SHORT } from './container-options.ts';
import { SPECIFICATION_VERSION } from './defaults.ts';
import { spell } from './dialect.ts';
import { MOUNT_ROOTS_VARIABLE } from './mount-policy.ts';
import { documentSchema } from './schema/document.ts';
import { metaOf, unwrap } from './schema/field.ts';
import { gatewayFields } from './schema/gateway.ts';
import { commandServerSchema, httpServerSchema } from './schema/server.ts';

/** The Markdown text of docs/reference/configuration.md. */
export function configurationReference(): string {
  return `${[
    '# Configuration reference',
    'This page is generated from the schemas that check a configuration. Do not edit it.',
    `A configuration is a TOML file or a JSON document; both follow the same rules (MCP Gateway Specification ${SPECIFICATION_VERSION}) and differ only in spelling. Unknown fields are errors. \`gatehouse validate FILE\` reports every error with line, column and remedy.`,
    '## Whole document',
    table(documentSchema.shape),
    '## `gateway`',
    table(gatewayFields),
    '## A server in a container',
    'One entry of `servers` (TOML) or `mcpServers` (JSON). Either `container` names the image, or, in TOML, `command` is the container engine and `args` its `run` command line. There is no way to run a command on the host.',
    table(commandServerSchema.shape),
    '## A server over HTTP',
    table(httpServerSchema.shape),
    '## Custom types',
    'A `type` that is a key of `customSchemas` is checked against the JSON Schema (draft 7, 2019-09 or 2020-12) at the https address registered there, or not at all where the address is `""`. It is then read as a server in a container: the fields above keep their meaning, and fields that only its own schema knows may stand beside them. `stdio`, `local` and `http` cannot be registered.',
    '## Variables',
    "`${NAME}` in any value is replaced by the variable of the gateway's environment, after the document was parsed. A variable that is not set is an error. A value that is exactly one expression may also stand for a number, `true` or `false`.",
    rows(
      ['Variable', 'Meaning'],
      [
        [code('MCP_GATEWAY_TOOL_TIMEOUT'), "Default of the gateway's tool timeout, in seconds."],
        [code('MCP_GATEWAY_SESSION_TIMEOUT'), 'Default of the session timeout, a duration.'],
        [code('MCP_GATEWAY_ALLOWED_NETWORKS'), 'Default of `allowedNetworks`, separated by commas.'],
        [code('MCP_GATEWAY_CONTAINER_RUNTIME'), '`docker` or `podman`; goes before the field.'],
        [
          code(MOUNT_ROOTS_VARIABLE),
          'Directories that mounts may come from: `path[:ro|:rw]`, separated by commas. Empty: none. Unset: the workspace of GitHub Actions and the working directory for reading, the temporary directory for writing.',
        ],
      ],
    ),
    '## Mounts',
    "The source is taken without symbolic links and must lie in an allowed directory; it is checked again before each start. System directories, and whatever is, holds or belongs to a container engine's socket, are never mounted.",
    '## Container options',
    "Accepted in `args`, in every spelling of the engines (`--flag value`, `--flag=value`, `-v…`, `-v=…`, `-ie NAME`). The list is read, never passed on: the engine's arguments are made anew from what was understood.",
    rows(
      ['Option', 'Takes a value'],
      [...ACCEPTED].map(([name, option]) => [optionName(name), option.takesValue ? 'yes' : 'no']),
    ),
    'Everything else is refused by name:',
    rows(['Refused', 'Because'], refusals()),
  ].join('\n\n')}\n`;
}

function table(shape: z.core.$ZodShape): string {
  return rows(['TOML', 'JSON', 'Type', 'Default', 'Meaning'], fields(shape, { toml: '', json: '' }));
}

function fields(shape: z.core.$ZodShape, prefix: { toml: string; json: string }): string[][] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const meta = metaOf(schema);
    const toml = prefix.toml + spell(name, 'toml');
    const json = prefix.json + spell(name, 'json');
    const row = [
      code(toml),
      name === 'command' ? '' : code(json),
      typeName(schema),
      meta?.fallback ?? '',
      meta?.description ?? '',
    ];
    const inner = unwrap(schema);
    if (inner instanceof z.ZodArray && inner.element instanceof z.ZodObject)
      return [row, ...fields(inner.element.shape, { toml: `${toml}[].`, json: `${json}[].` })];
    const nested =
      inner instanceof z.ZodObject && name !== 'gateway'
        ? fields(inner.shape, { toml: `${toml}.`, json: `${json}.` })
        : [];
    return [row, ...nested];
  });
}

function typeName(schema: z.core.$ZodType): string {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodUnion) return [...new Set(bare.options.map(typeName))].join(', ');
  if (bare instanceof z.ZodEnum) return bare.options.map((option) => code(String(option))).join(', ');
  if (bare instanceof z.ZodBoolean) return 'boolean';
  if (bare instanceof z.ZodString) return 'string';
  if (bare instanceof z.ZodArray) return bare.element instanceof z.ZodObject ? 'array of objects' : 'array of strings';
  if (bare instanceof z.ZodObject || bare instanceof z.ZodRecord) return 'object';
  if (bare instanceof z.ZodNumber && !bare.isInt) return 'number';
  return 'integer';
}

function refusals(): string[][] {
  const byReason = new Map<string, string[]>();
  for (const [name, { reason }] of REFUSED) byReason.set(reason, [...(byReason.get(reason) ?? []), optionName(name)]);
  return [...byReason].map(([reason, names]) => [names.join(', '), reason]);
}

function optionName(name: string): string {
  const letter = [...SHORT].find(([, long]) => long === name)?.[0];
  return letter === undefined ? code(`--${name}`) : `${code(`-${letter}`)}, ${code(`--${name}`)}`;
}

function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...body]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
