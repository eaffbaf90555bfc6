/** How findings are shown: as text for people, and as the error payload that programs read from stdout. */
import type { Diagnostic } from './config.ts';

/** JSON-RPC's "invalid params": what the specification's error object carries as `code`. */
const INVALID_CONFIGURATION = -32602;

export interface ReportedError {
  readonly path: string;
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  readonly suggestion: string;
}

/** The error object of the specification (section 9) with all findings in `data`. */
export interface ErrorPayload {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly data: { readonly source: string; readonly errors: readonly ReportedError[] };
  };
}

/** One finding in three lines: place and path, what is wrong, what to do. `source` is the name of the file. */
export function formatDiagnostic(finding: Diagnostic, source: string): string {
  const place = finding.line === undefined ? source : `${source}:${finding.line}:${finding.column ?? 1}`;
  const path = finding.path === '' ? '' : ` at ${finding.path}`;
  return `${place}: ${finding.severity}${path}\n    ${finding.message}\n    → ${finding.suggestion}`;
}

/** All findings, each as in `formatDiagnostic`, and a closing line that counts them; '' when there are none. */
export function formatDiagnostics(findings: readonly Diagnostic[], source: string): string {
  if (findings.length === 0) return '';
  const errors = findings.filter((finding) => finding.severity === 'error').length;
  const warnings = findings.length - errors;
  const counts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return `${findings.map((finding) => formatDiagnostic(finding, source)).join('\n')}\n${counts.join(', ')} in ${source}\n`;
}

/** A warning in one line, for the log. */
export function formatWarning(finding: Diagnostic, source: string): string {
  const place = finding.line === undefined ? source : `${source}:${finding.line}:${finding.column ?? 1}`;
  return `${place}: ${finding.path === '' ? '' : `${finding.path}: `}${finding.message}. ${finding.suggestion}`;
}

/** What is written to stdout when a configuration is invalid; the process then ends with status 1. */
export function errorPayload(errors: readonly Diagnostic[], source: string): ErrorPayload {
  return {
    error: {
      code: INVALID_CONFIGURATION,
      message: `invalid configuration: ${count(errors.length, 'error')} in ${source}`,
      data: {
        source,
        errors: errors.map(({ path, line, column, message, suggestion }) => ({
          path,
          ...(line === undefined ? {} : { line }),
          ...(column === undefined ? {} : { column }),
          message,
          suggestion,
        })),
      },
    },
  };
}

function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? '' : 's'}`;
}
