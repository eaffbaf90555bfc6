/** SIGHUP asks for a reload and never ends the process: other programs reload on it, and what ends on it takes every client down. */

let answer: (() => void) | undefined;
/** A signal came before there was anything to reload. */
let waiting = false;

/** Takes the signal over; call it before anything that takes time. */
export function takeHangupOver(): void {
  process.on('SIGHUP', () => {
    if (answer === undefined) waiting = true;
    else answer();
  });
}

/** From now on the signal is answered like this. One that came before is answered at once. */
export function onHangup(reload: () => void): Disposable {
  answer = reload;
  if (waiting) reload();
  waiting = false;
  return {
    [Symbol.dispose]() {
      answer = undefined;
    },
  };
}
