/** The configuration that `npm start` writes when there is none, and what it needs to know of one that exists. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { parse } from 'smol-toml';
import { freePort } from './ports.ts';

export const CONFIG_FILE = 'config.toml';

/** The image of the demonstration server in a container. Built here, and never pulled. */
export const NOTES_IMAGE = 'gatehouse-demo-notes:local';

/** What of a configuration concerns the demonstration. */
export interface DemoConfig {
  /** Port of the gateway. */
  readonly port: number;
  /** Port on which the toolbox is expected; undefined when the configuration does not use it. */
  readonly toolboxPort: number | undefined;
  readonly usesNotes: boolean;
  /** All servers can be reached together at `/mcp`. */
  readonly unified: boolean;
}

/** Writes the file unless it exists. Answers whether it was written. */
export async function writeDemoConfig(path: string, withNotes: boolean): Promise<boolean> {
  const port = await freePort(3000);
  const text = render(port, await freePort(port + 1), withNotes);
  try {
    // `wx` never overwrites. Only the owner may read it: it holds the agent id.
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when the file is not TOML: the gateway itself says what is wrong with it. */
export async function readDemoConfig(path: string): Promise<DemoConfig | undefined> {
  try {
    const document = parse(await readFile(path, 'utf8'));
    const servers = Object.values(table(document['servers'])).map(table);
    const toolbox = servers
      .map(({ url }) => /^http:\/\/127\.0\.0\.1:(\d+)\/mcp$/.exec(String(url))?.[1])
      .find((found) => found !== undefined);
    const { port, mode } = table(document['gateway']);
    return {
      port: typeof port === 'number' ? port : 3000,
      toolboxPort: toolbox === undefined ? undefined : Number(toolbox),
      usesNotes: servers.some(({ container }) => container === NOTES_IMAGE),
      unified: mode !== 'routed',
    };
  } catch {
    return undefined;
  }
}

function table(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function render(port: number, toolboxPort: number, withNotes: boolean): string {
  const notes = `[servers.notes]
type = "stdio"
container = "${NOTES_IMAGE}"
network = "none"    # it talks to nobody
read_only = true    # and writes no files
`;
  return `# Gatehouse configuration, written by \`npm start\`. It is yours now: it is never overwritten.
#
#   npx gatehouse validate ${CONFIG_FILE}   says what is wrong with it
#   npx gatehouse schema                 prints everything that may stand here
#
# Instead of a secret write "\${NAME}": the value then comes from the environment variable NAME.

[gateway]
port = ${port}

# Clients send this in the Authorization header. Several clients: agent_ids = ["…", "…"]
agent_id = "${randomBytes(32).toString('hex')}"

# There is one endpoint for each server (/mcp/toolbox) and one for all of them together (/mcp).
# Only one of the two: mode = "routed" or mode = "unified"

# A server that does not start does not keep the others from being served. The default is "strict".
startup = "resilient"

# A server over HTTP. \`npm start\` runs this one; put your own beside it.
[servers.toolbox]
type = "http"
url = "http://127.0.0.1:${toolboxPort}/mcp"
# headers = { Authorization = "Bearer \${TOOLBOX_TOKEN}" }
# tools = ["roll_dice", "text_statistics"]    # clients see and call only these

# A server that speaks over stdin and stdout runs in a container and nowhere else.
${withNotes ? notes : `# There was no Docker when this was written. Where there is, take away the # of these lines.\n${notes.replaceAll(/^(?=.)/gm, '# ')}`}`;
}
