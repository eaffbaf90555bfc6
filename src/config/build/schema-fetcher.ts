/** How the JSON Schemas of custom server types come in; who fetches them is not the business of the configuration. */

/** Resolves with the text of the document; rejects with an Error whose message says what went wrong. */
export type SchemaFetcher = (url: URL) => Promise<string>;
