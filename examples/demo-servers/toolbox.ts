/** A demonstration MCP server that needs nothing: dice, text statistics, and a countdown that reports its progress. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

export function createToolbox(): McpServer {
  const server = new McpServer(
    { name: 'toolbox', title: 'Toolbox', version: '1.0.0' },
    { instructions: 'Small tools without side effects. Use roll_dice for anything that must be random.' },
  );

  server.registerTool(
    'roll_dice',
    {
      title: 'Roll dice',
      description: 'Rolls dice with a cryptographically secure random generator and adds them up.',
      inputSchema: z.object({
        count: z.int().min(1).max(100).default(1).describe('How many dice'),
        sides: z.int().min(2).max(1000).default(6).describe('Sides of each die'),
      }),
      outputSchema: z.object({ rolls: z.array(z.int()), total: z.int() }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ count, sides }) => {
      const rolls = Array.from({ length: count }, () => randomInt(1, sides + 1));
      const total = rolls.reduce((sum, roll) => sum + roll, 0);
      const structuredContent = { rolls, total };
      return { content: [{ type: 'text', text: `${rolls.join(' + ')} = ${total}` }], structuredContent };
    },
  );

  server.registerTool(
    'text_statistics',
    {
      title: 'Text statistics',
      description: 'Counts the characters, words, sentences and lines of a text and estimates its reading time.',
      inputSchema: z.object({ text: z.string().describe('The text') }),
      outputSchema: z.object({
        characters: z.int(),
        words: z.int(),
        sentences: z.int(),
        lines: z.int(),
        readingSeconds: z.int(),
      }),
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    ({ text }) => {
      const structuredContent = statisticsOf(text);
      const { words, sentences, readingSeconds } = structuredContent;
      const summary = `${words} words in ${sentences} sentences, about ${readingSeconds} seconds to read.`;
      return { content: [{ type: 'text', text: summary }], structuredContent };
    },
  );

  server.registerTool(
    'countdown',
    {
      title: 'Countdown',
      description: 'Counts down in steps of a tenth of a second and reports progress on the way.',
      inputSchema: z.object({ from: z.int().min(1).max(100).default(10) }),
      annotations: { readOnlyHint: true },
    },
    async ({ from }, context) => {
      const { _meta: meta, signal, notify } = context.mcpReq;
      const progressToken = meta?.progressToken;
      for (let done = 1; done <= from; done += 1) {
        await sleep(100, undefined, { signal });
        if (progressToken === undefined) continue;
        const params = { progressToken, progress: done, total: from, message: `${from - done} to go` };
        await notify({ method: 'notifications/progress', params });
      }
      return { content: [{ type: 'text', text: 'Lift-off!' }] };
    },
  );

  server.registerPrompt(
    'decide',
    {
      title: 'Decide by dice',
      description: 'Lets chance choose between options.',
      argsSchema: z.object({ options: z.string().describe('The options, separated by commas') }),
    },
    ({ options }) => {
      const text = `Choose one of these with the tool roll_dice and say which number meant which: ${options}`;
      return { messages: [{ role: 'user', content: { type: 'text', text } }] };
    },
  );

  return server;
}

const WORDS_PER_SECOND = 4;

function statisticsOf(text: string): Record<'characters' | 'words' | 'sentences' | 'lines' | 'readingSeconds', number> {
  const segments = (granularity: 'grapheme' | 'word' | 'sentence'): Intl.SegmentData[] => [
    ...new Intl.Segmenter('en', { granularity }).segment(text),
  ];
  const words = segments('word').filter(({ isWordLike }) => isWordLike).length;
  return {
    characters: segments('grapheme').length,
    words,
    sentences: segments('sentence').filter(({ segment }) => segment.trim() !== '').length,
    lines: text === '' ? 0 : text.split('\n').length,
    readingSeconds: Math.ceil(words / WORDS_PER_SECOND),
  };
}
