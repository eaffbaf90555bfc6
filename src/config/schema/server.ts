/** Schemas of one server: what every kind may say, what only containers and what only HTTP servers may say. */
import * as z from 'zod';
import {
  DEFAULT_CONNECT_TIMEOUT_SECONDS,
  DEFAULT_CPUS,
  DEFAULT_MEMORY_BYTES,
  DEFAULT_OPEN_FILES,
  DEFAULT_PIDS,
  MAX_TIMER_SECONDS,
  MIN_TOOL_TIMEOUT_SECONDS,
} from '../defaults.ts';
import { field } from './field.ts';
import { healthSchema } from './health.ts';
import { flag, seconds, text, textList } from './shapes.ts';
import { upstreamTlsSchema } from './tls.ts';

/** What Docker grants by default; nothing beyond it can be given back. */
export const GRANTABLE_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

/** Strings that travel in argument lists or environments end at a NUL. */
const argument = field(z.string().regex(/^[^\0]*$/), {
  description: 'One argument.',
  expects: 'a string without NUL characters',
});

const commonFields = {
  type: field(z.string(), {
    description:
      '`stdio` (also `local`; the default) for a container, `http` for a remote server, or a type of `customSchemas`. Case and surrounding spaces do not matter.',
    fallback: '`stdio`',
  }).optional(),
  env: field(
    z.record(
      z.string(),
      field(argument, { description: 'One value.', expects: 'a string without NUL characters', secret: true }),
    ),
    {
      description:
        "Variables inside the container. An empty value takes the variable of the same name from the gateway's own environment. Without effect on an HTTP server.",
      expects: 'an object of strings',
      secret: true,
    },
  ).optional(),
  tools: field(textList, {
    description: 'Names of the tools that clients may see and call; `["*"]` means all.',
    expects: 'an array of tool names',
    fallback: 'all',
  }).optional(),
  toolTimeout: field(z.union([z.literal(0), seconds(MIN_TOOL_TIMEOUT_SECONDS)]), {
    description: 'Seconds that this server may take to answer a request; 0 means as the gateway says.',
    expects: `0 (unset) or at least ${MIN_TOOL_TIMEOUT_SECONDS} (an integer of seconds, at most ${MAX_TIMER_SECONDS})`,
    fallback: 'as the gateway says',
    older: { json: 'tool_timeout' },
  }).optional(),
  start: field(z.enum(['boot', 'lazy']), {
    description: '`boot`: started with the gateway. `lazy`: started with the first request that needs the server.',
    fallback: '`boot`',
  }).optional(),
  health: field(healthSchema, {
    description: 'When the server is checked, what counts as down, and what clients see of it then.',
    expects: 'an object',
    fallback: 'checked every 30 s, hidden from listings while it is unreachable',
  }).optional(),
  registry: field(z.string(), {
    description: 'Where the server was installed from; informational.',
    expects: 'a string',
  }).optional(),
  guard: field(text, {
    description: 'Refused: this version has no guards.',
    expects: 'the name of a guard',
  }).optional(),
  guardPolicies: field(z.record(z.string(), z.unknown()), {
    description: 'Refused: this version has no guard policies.',
    expects: 'an object',
  }).optional(),
  toolResponseFilters: field(z.record(z.string(), text), {
    description: 'Refused: this version has no response filters.',
    expects: 'an object of jq expressions',
  }).optional(),
};

const resourcesSchema = z.strictObject({
  memory: field(z.string().regex(/^\d+(?:\.\d+)?[bkmg]$/i), {
    description: 'Memory including swap: a number with `b`, `k`, `m` or `g`.',
    expects: 'a size such as "256m"',
    hint: 'Write a number with a unit: "256m", "1g".',
    fallback: `\`${DEFAULT_MEMORY_BYTES / 1024 / 1024}m\``,
  }).optional(),
  cpus: field(z.number().min(0.01).max(1024), {
    description: 'Cores; fractions are allowed.',
    expects: 'a number between 0.01 and 1024',
    fallback: String(DEFAULT_CPUS),
  }).optional(),
  pids: field(z.int().min(1).max(1_000_000), {
    description: 'Processes and threads.',
    expects: 'a positive integer (>= 1)',
    fallback: String(DEFAULT_PIDS),
  }).optional(),
  openFiles: field(z.int().min(16).max(1_048_576), {
    description: 'Open files per process.',
    expects: 'an integer between 16 and 1048576',
    fallback: String(DEFAULT_OPEN_FILES),
  }).optional(),
});

const containerOnlyFields = {
  container: field(text, {
    description: 'Image, with optional registry, port, tag and digest.',
    expects: 'an image reference such as "ghcr.io/owner/name:1.2"',
  }).optional(),
  entrypoint: field(text.regex(/^[^\0]*$/), {
    description: "Replaces the image's entry point.",
    expects: 'a non-empty string',
  }).optional(),
  entrypointArgs: field(z.array(argument), {
    description: 'Arguments after the image.',
    expects: 'an array of strings',
    fallback: 'none',
  }).optional(),
  mounts: field(
    z.array(
      field(z.string(), {
        description: 'One mount.',
        expects: 'a string "source:target:mode"',
        hint: 'Write for example "/srv/data:/data:ro".',
      }),
    ),
    {
      description:
        'Host directories inside the container, each `source:target:mode` with absolute paths and the mode `ro` or `rw`; only below the allowed roots.',
      expects: 'an array of strings "source:target:mode"',
      hint: 'Write for example ["/srv/data:/data:ro"].',
      fallback: 'none',
    },
  ).optional(),
  args: field(z.array(argument), {
    description:
      'Further container options from the list of accepted ones; with the TOML field `command`, the whole `run` command line.',
    expects: 'an array of strings',
    fallback: 'none',
  }).optional(),
  isolation: field(z.enum(['auto', 'shared', 'session']), {
    description:
      '`shared`: all clients share one process. `session`: one process per session. `auto`: a session whose client can be asked something has its own, all others share one.',
    fallback: '`auto`',
  }).optional(),
  network: field(z.union([z.enum(['isolated', 'none']), z.strictObject({ allow: z.array(z.string()).min(1) })]), {
    description:
      '`isolated`: a network of its own with a way out. `none`: no network. `{allow: [hosts]}`: a way out to these hosts only, through a proxy; `host`, `.suffix` or either with `:port` (else 80 and 443).',
    expects: '"isolated", "none" or a list of hosts such as {"allow": ["api.example.com"]}',
    hint: 'Write "none", "isolated", or in TOML { allow = ["api.example.com"] }, in JSON {"allow": ["api.example.com"]}.',
    fallback: '`isolated`',
  }).optional(),
  user: field(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/), {
    description: 'User inside the container: `uid`, `uid:gid` or a name that the image knows.',
    expects: 'a user such as "1000", "1000:1000" or "node"',
    fallback: 'as the image says',
  }).optional(),
  readOnly: field(flag, {
    description: 'Root file system read-only, with a tmpfs on /tmp.',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
  capabilities: field(
    z.array(
      field(z.enum(GRANTABLE_CAPABILITIES), {
        description: 'One capability.',
        hint: 'Only what Docker itself grants by default can be given back; anything more would open the host.',
      }),
    ),
    {
      description: `Capabilities given back after all were dropped, of: ${GRANTABLE_CAPABILITIES.join(', ')}.`,
      expects: 'an array of capability names',
      fallback: 'none',
    },
  ).optional(),
  workdir: field(z.string().regex(/^\/[^\0]*$/), {
    description: 'Working directory inside the container.',
    expects: 'an absolute path',
    fallback: 'as the image says',
  }).optional(),
  resources: field(resourcesSchema, { description: 'Limits of the container.', expects: 'an object' }).optional(),
};

/** TOML only; JSON refuses it by name. */
const commandField = {
  command: field(z.string(), {
    description: 'The configured container engine, `docker` or `podman`, when `args` holds its whole command line.',
    expects: 'a string',
  }).optional(),
};

const httpOnlyFields = {
  url: field(text, {
    description: 'Address of the server, http or https.',
    expects: 'an http or https URL',
    hint: 'Write for example "https://mcp.example.com/mcp".',
  }),
  headers: field(
    z.record(
      z.string(),
      field(z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/), {
        description: 'One value.',
        expects: 'a header value: one line of Latin-1 characters',
        secret: true,
      }),
    ),
    {
      description: 'Headers sent with every request to the server.',
      expects: 'an object of strings',
      secret: true,
      fallback: 'none',
    },
  ).optional(),
  query: field(
    z.record(
      field(z.string().regex(/^[^\0]+$/), { description: 'One name.', expects: 'a non-empty string' }),
      field(z.string(), { description: 'One value.', expects: 'a string', secret: true }),
    ),
    {
      description:
        'Parameters added to the query of every request to the server, for keys that it takes nowhere else. They can end up in its logs.',
      expects: 'an object of strings',
      secret: true,
      fallback: 'none',
    },
  ).optional(),
  passthroughHeaders: field(textList, {
    description:
      "Names of headers that are handed on from a client's request to the server. Credentials for the gateway and headers of the protocol never are.",
    expects: 'an array of header names',
    fallback: 'none',
  }).optional(),
  auth: field(
    z.strictObject({
      type: field(z.enum(['github-oidc']), {
        description: 'Only `github-oidc`: a token of GitHub Actions for each audience.',
        hint: 'Write "github-oidc".',
      }),
      audience: field(text, {
        description: 'Audience of the token.',
        expects: 'a non-empty string',
        fallback: 'the url',
      }).optional(),
    }),
    {
      description: 'How the gateway gets its own credentials for the server.',
      expects: 'an object such as {"type": "github-oidc"}',
    },
  ).optional(),
  connectTimeout: field(seconds(1), {
    description: 'Seconds that connecting may take.',
    expects: `a positive integer (>= 1) of seconds, at most ${MAX_TIMER_SECONDS}`,
    fallback: String(DEFAULT_CONNECT_TIMEOUT_SECONDS),
    older: { json: 'connect_timeout' },
  }).optional(),
  tls: field(upstreamTlsSchema, {
    description: 'TLS with the server: whom to trust, and what certificate to show.',
    expects: 'an object',
    aliases: ['tls_config', 'tlsConfig'],
    fallback: 'the authorities of the system, no client certificate',
  }).optional(),
};

export const containerServerSchema = z.strictObject({ ...commonFields, ...containerOnlyFields });
export const commandServerSchema = z.strictObject({ ...commonFields, ...commandField, ...containerOnlyFields });
export const httpServerSchema = z.strictObject({ ...commonFields, ...httpOnlyFields });

/** Every field that some server knows, for spelling and expansion. */
export const anyServerFields = { ...commonFields, ...commandField, ...containerOnlyFields, ...httpOnlyFields };
export const anyServerSchema = z.strictObject(anyServerFields);

export const CONTAINER_ONLY_FIELDS: readonly string[] = [
  ...Object.keys(containerOnlyFields),
  ...Object.keys(commandField),
];
export const HTTP_ONLY_FIELDS: readonly string[] = Object.keys(httpOnlyFields);

export type RawContainerServer = z.output<typeof commandServerSchema>;
export type RawHttpServer = z.output<typeof httpServerSchema>;
