/** A demonstration MCP server with a memory: notes as tools and as resources, kept until the process ends. */
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** Oldest notes go first beyond this, so that a forgotten server does not fill its memory. */
const MOST_NOTES = 1_000;

interface Note {
  readonly title: string;
  readonly text: string;
}

const notes = new Map<string, Note>([
  ['welcome', { title: 'Welcome', text: 'This note lives in a container. Add your own with add_note.' }],
]);

export function createNotes(): McpServer {
  const server = new McpServer({ name: 'notes', title: 'Notes', version: '1.0.0' });

  server.registerTool(
    'add_note',
    {
      title: 'Add a note',
      description: 'Keeps a note until the server ends. A note with the same title is replaced.',
      inputSchema: z.object({ title: z.string().min(1).max(200), text: z.string().max(100_000) }),
      outputSchema: z.object({ uri: z.string() }),
    },
    ({ title, text }) => {
      const id = encodeURIComponent(title.toLowerCase().replaceAll(/\s+/g, '-'));
      notes.delete(id);
      notes.set(id, { title, text });
      const [oldest] = notes.keys();
      if (notes.size > MOST_NOTES && oldest !== undefined) notes.delete(oldest);
      server.sendResourceListChanged();
      return { content: [{ type: 'text', text: `Kept as note://${id}` }], structuredContent: { uri: `note://${id}` } };
    },
  );

  server.registerTool(
    'search_notes',
    {
      title: 'Search notes',
      description: 'Finds the notes that hold a text in their title or body; without one, all of them.',
      inputSchema: z.object({ text: z.string().default('') }),
      outputSchema: z.object({ notes: z.array(z.object({ uri: z.string(), title: z.string() })) }),
      annotations: { readOnlyHint: true },
    },
    ({ text }) => {
      const wanted = text.toLowerCase();
      const found = [...notes]
        .filter(([, note]) => `${note.title}\n${note.text}`.toLowerCase().includes(wanted))
        .map(([id, note]) => ({ uri: `note://${id}`, title: note.title }));
      const lines = found.map((note) => `${note.title} (${note.uri})`);
      const summary = lines.length === 0 ? 'No note holds that.' : lines.join('\n');
      return { content: [{ type: 'text', text: summary }], structuredContent: { notes: found } };
    },
  );

  server.registerResource(
    'note',
    new ResourceTemplate('note://{id}', {
      list: () => ({
        resources: [...notes].map(([id, { title }]) => ({
          uri: `note://${id}`,
          name: id,
          title,
          mimeType: 'text/plain',
        })),
      }),
      complete: { id: (typed) => [...notes.keys()].filter((id) => id.startsWith(typed)) },
    }),
    { title: 'Note', description: 'One note.', mimeType: 'text/plain' },
    (uri, { id }) => {
      const note = notes.get(String(id));
      if (note === undefined) throw new Error(`There is no note ${String(id)}`);
      return { contents: [{ uri: uri.href, mimeType: 'text/plain', text: note.text }] };
    },
  );

  server.registerPrompt(
    'summarise_notes',
    { title: 'Summarise the notes', description: 'Asks for a summary of everything that was noted.' },
    () => {
      const all = [...notes.values()].map(({ title, text }) => `# ${title}\n${text}`).join('\n\n');
      return { messages: [{ role: 'user', content: { type: 'text', text: `Summarise these notes:\n\n${all}` } }] };
    },
  );

  return server;
}
