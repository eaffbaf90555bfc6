import { describe, expect, it } from 'vitest';
import type { Diagnostic } from './config.ts';
import { errorPayload, formatDiagnostics, formatWarning } from './report.ts';

const ERROR: Diagnostic = {
  severity: 'error',
  path: 'gateway.port',
  message: 'port is wrong',
  suggestion: 'Write another.',
  line: 2,
  column: 8,
};
const WARNING: Diagnostic = { severity: 'warning', path: '', message: 'old', suggestion: 'Renew it.' };

describe('report', () => {
  it('shows place, path, fault and remedy of each finding to people, and counts them', () => {
    expect(formatDiagnostics([ERROR, WARNING], 'config.toml')).toBe(
      [
        'config.toml:2:8: error at gateway.port',
        '    port is wrong',
        '    → Write another.',
        'config.toml: warning',
        '    old',
        '    → Renew it.',
        '1 error, 1 warning in config.toml',
        '',
      ].join('\n'),
    );
    expect(formatDiagnostics([], 'config.toml')).toBe('');
  });

  it('shows a warning in one line for the log', () => {
    expect(formatWarning({ ...ERROR, severity: 'warning' }, '<stdin>')).toBe(
      '<stdin>:2:8: gateway.port: port is wrong. Write another.',
    );
  });

  it('T-ERR-005 gives programs path, place, fault and remedy', () => {
    expect(errorPayload([ERROR, { ...WARNING, severity: 'error' }], '<stdin>')).toEqual({
      error: {
        code: -32_602,
        message: 'invalid configuration: 2 errors in <stdin>',
        data: {
          source: '<stdin>',
          errors: [
            { path: 'gateway.port', line: 2, column: 8, message: 'port is wrong', suggestion: 'Write another.' },
            { path: '', message: 'old', suggestion: 'Renew it.' },
          ],
        },
      },
    });
  });
});
