/** SIGHUP must never end the gateway: other programs reload on it, and what ends on it takes every client down. */

const MESSAGE = 'SIGHUP: configuration reload is not supported by this version; nothing was changed';

let report = (message: string): void => {
  process.stderr.write(`gatehouse: ${message}\n`);
};

/** Takes the signal over; call it before anything that takes time. */
export function ignoreHangup(): void {
  process.on('SIGHUP', () => report(MESSAGE));
}

/** From now on tells the log of the signal instead of plain stderr. */
export function reportHangupTo(log: (message: string) => void): void {
  report = log;
}
