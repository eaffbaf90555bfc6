/** Renders `docs/reference/cli.md` from the definitions of the commands, so that the page cannot differ from the program. */
import type { Command } from 'commander';
import { EXIT_CODES } from './exit-codes.ts';
import { commandsOf, createProgram, EXAMPLES, fullName } from './program.ts';
import { type Flag, SERVE_FLAGS } from './serve/flags.ts';

/** The whole page as Markdown. */
export function renderReference(): string {
  const program = createProgram({}, () => undefined);
  const sections = commandsOf(program).map(renderCommand);
  const exitRows = EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return `${[
    '# Command line',
    '',
    `${program.description()} From a checkout, write \`npx gatehouse\` for \`gatehouse\`. Flags without a command are those of \`serve\`.`,
    '',
    ...sections,
    '## Exit status',
    '',
    '| status | meaning |',
    '|---|---|',
    ...exitRows,
    '',
    '## Signals',
    '',
    '`serve` stops in good order on SIGINT and SIGTERM: new requests are refused, those in flight have the shutdown timeout. A second signal stops now. SIGHUP reloads configuration and certificates and never ends the gateway.',
    '',
    '## Output',
    '',
    '`serve` writes exactly one JSON document to stdout: the configuration for clients when it serves, or the error payload when it does not. Everything else goes to stderr.',
  ].join('\n')}\n`;
}

function renderCommand(command: Command): string {
  const name = fullName(command);
  const usage = name === 'serve' ? 'gatehouse serve [flags]' : `gatehouse ${name} ${command.usage()}`;
  const examples = EXAMPLES[name] ?? [];
  const description = command.description();
  return [
    `## ${name}`,
    '',
    `${description.charAt(0).toUpperCase()}${description.slice(1)}.`,
    '',
    '```sh',
    usage,
    '```',
    '',
    ...(name === 'serve' ? serveTables() : optionTable(command)),
    'Examples:',
    '',
    '```sh',
    ...examples,
    '```',
    '',
  ].join('\n');
}

function optionTable(command: Command): readonly string[] {
  const rows = [
    ...command.registeredArguments.map((argument) => `| \`${argument.name()}\` | ${escape(argument.description)} |`),
    ...command.options.map(
      (option) =>
        `| \`${escape(option.flags)}\` | ${escape(option.description)}${option.defaultValue === undefined ? '' : ` (default: ${option.defaultValueDescription ?? String(option.defaultValue)})`} |`,
    ),
  ];
  return rows.length === 0 ? [] : ['| argument or flag | meaning |', '|---|---|', ...rows, ''];
}

function serveTables(): readonly string[] {
  const flags: readonly Flag[] = SERVE_FLAGS;
  const groups = [...new Set(flags.map(({ group }) => group))];
  return [
    'A flag wins over its environment variable, the variable over the configuration, the configuration over the default. An empty variable counts as unset.',
    '',
    ...groups.flatMap((group) => [
      `### ${group.replace(/:$/, '')}`,
      '',
      '| flag | environment variable | default | meaning |',
      '|---|---|---|---|',
      ...flags.filter((flag) => flag.group === group).map(serveRow),
      '',
    ]),
  ];
}

function serveRow({ flags, env, fallback, description }: Flag): string {
  return `| \`${escape(flags)}\` | ${env === undefined ? '' : `\`${env}\``} | ${escape(fallback ?? '')} | ${escape(description)} |`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}
