/** The machine is not as the gateway needs it, and the message says what to do: no stack would add to it. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
