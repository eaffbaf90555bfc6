/** The exit status of every command. */

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;

export const EXIT_CODES = [
  {
    code: EXIT_OK,
    meaning: 'done; for `serve`: ended by SIGINT, SIGTERM or /close, and every request in flight was finished',
  },
  {
    code: EXIT_FAILURE,
    meaning:
      'anything else: wrong flags, an invalid configuration, a server that did not start, a port in use, requests cut off at the end, a fault',
  },
] as const;
