import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'smol-toml';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type {
  ContainerRuntime,
  ContainerServerConfig,
  ContainerSpec,
  GatewayConfig,
  GithubOidcAuth,
  ServerConfig,
} from './config.ts';
import { spell } from './dialect.ts';
import { configurationJsonSchema } from './json-schema.ts';
import { configurationReference } from './reference.ts';
import { gatewayFields, type RawGateway } from './schema/gateway.ts';
import {
  anyServerFields,
  type GRANTABLE_CAPABILITIES,
  type RawContainerServer,
  type RawHttpServer,
} from './schema/server.ts';

const CASES = join(import.meta.dirname, '../../test/config-golden/cases');

describe.each(['json', 'toml'] as const)('the JSON Schema for %s', (dialect) => {
  const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(configurationJsonSchema(dialect));
  const read = (text: string): unknown => (dialect === 'json' ? JSON.parse(text) : parse(text));

  const accepted = readdirSync(CASES).filter(
    (file) => file.endsWith(`.${dialect}`) && !/\.(?:expected|env)\.json$/.test(file) && 'config' in expectation(file),
  );
  it.each(accepted)('accepts %s, which the program accepts', (file) => {
    validate(read(readFileSync(join(CASES, file), 'utf8')));
    expect(validate.errors ?? []).toEqual([]);
  });

  const refused = readdirSync(CASES).filter(
    (file) =>
      new RegExp(`^(?:T-CFG-00[5679]|domain-|own-fields-invalid|runtime-unknown).*\\.${dialect}$`).test(file) &&
      !/\.(?:expected|env)\.json$/.test(file) &&
      'errors' in expectation(file) &&
      !file.includes('-from-'),
  );
  it.each(refused)('refuses %s, which the program refuses', (file) => {
    // What needs a second look at the type of a server is left to the program.
    expect(validate(read(readFileSync(join(CASES, file), 'utf8')))).toBe(false);
  });

  it('describes every field', () => {
    const { $defs } = configurationJsonSchema(dialect) as {
      $defs: Record<string, { properties: Record<string, { description?: string }> }>;
    };
    for (const part of ['gateway', 'containerServer', 'httpServer']) {
      for (const [name, { description }] of Object.entries($defs[part]?.properties ?? {}))
        expect(description, `${part}.${name}`).toBeTruthy();
    }
  });
});

function expectation(file: string): object {
  return JSON.parse(readFileSync(join(CASES, `${file.replace(/\.\w+$/, '')}.expected.json`), 'utf8')) as object;
}

describe('the reference page', () => {
  it('names every field in both spellings', () => {
    const page = configurationReference();
    for (const name of [...Object.keys(gatewayFields), ...Object.keys(anyServerFields)]) {
      expect(page).toContain(`| \`${spell(name, 'toml')}\` |`);
      if (name !== 'command') expect(page).toContain(`| \`${spell(name, 'json')}\` |`);
    }
  });
});

describe('the types of Config', () => {
  it('allow exactly what the schemas allow', () => {
    expectTypeOf<GatewayConfig['mode']>().toEqualTypeOf<NonNullable<RawGateway['mode']>>();
    expectTypeOf<GatewayConfig['startup']>().toEqualTypeOf<NonNullable<RawGateway['startup']>>();
    expectTypeOf<ContainerRuntime['engine']>().toEqualTypeOf<NonNullable<RawGateway['containerRuntime']>>();
    expectTypeOf<ContainerServerConfig['isolation']>().toEqualTypeOf<NonNullable<RawContainerServer['isolation']>>();
    // The lists of hosts differ in nothing but that ours cannot be written to.
    expectTypeOf<Extract<ContainerSpec['network'], string>>().toEqualTypeOf<
      Extract<RawContainerServer['network'], string>
    >();
    expectTypeOf<ServerConfig['start']>().toEqualTypeOf<NonNullable<RawHttpServer['start']>>();
    expectTypeOf<GithubOidcAuth['type']>().toEqualTypeOf<NonNullable<RawHttpServer['auth']>['type']>();
    expectTypeOf<(typeof GRANTABLE_CAPABILITIES)[number]>().toEqualTypeOf<
      NonNullable<RawContainerServer['capabilities']>[number]
    >();
  });
});
