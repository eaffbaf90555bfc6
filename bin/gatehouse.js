#!/usr/bin/env node
/** Starts the program: its sources in a checkout, what was built from them in a published package. */
import { existsSync } from 'node:fs';

// Plain JavaScript that an old Node understands, so that it can say what is wrong instead of failing on syntax.
var MINIMUM_NODE = 24;
if (parseInt(process.versions.node, 10) < MINIMUM_NODE) {
  process.stderr.write(
    'gatehouse needs Node ' +
      MINIMUM_NODE +
      ' or newer, this is ' +
      process.version +
      '. Install a current one from https://nodejs.org/ and try again.\n',
  );
  process.exit(1);
}
var source = new URL('../src/main.ts', import.meta.url);
import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href).catch(function (error) {
  process.stderr.write('gatehouse cannot start: ' + (error && error.stack ? error.stack : error) + '\n');
  process.exit(1);
});
