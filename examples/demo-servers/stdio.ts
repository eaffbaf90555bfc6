/** The notes over stdio; `npm start` puts this program into a container image. */
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { createNotes } from './notes.ts';

serveStdio(createNotes);

// Process 1 of a container has no default action for signals.
process.once('SIGTERM', () => process.exit(0));
process.stdin.once('end', () => process.exit(0));
