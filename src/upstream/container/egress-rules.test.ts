import { describe, expect, it } from 'vitest';
import { allowing, isReachable, parseTarget } from './egress-rules.ts';

const passes = (entry: string, target: string, port?: number): boolean => {
  const parsed = parseTarget(target, port);
  return parsed !== undefined && allowing([entry], parsed) !== undefined;
};

describe('an allow-list of hosts', () => {
  it.each([
    ['api.example.com', 'api.example.com:443'],
    ['api.example.com', 'API.Example.Com.:80'],
    ['.example.com', 'example.com:443'],
    ['.example.com', 'a.b.example.com:443'],
    ['api.example.com:8443', 'api.example.com:8443'],
    ['.example.com:22', 'git.example.com:22'],
    ['10.0.0.5:8080', '10.0.0.5:8080'],
    ['[2001:db8::1]', '[2001:db8::1]:443'],
    ['[2001:db8::1]:99', '[2001:db8::1]:99'],
  ])('%s lets %s pass', (entry, target) => expect(passes(entry, target)).toBe(true));

  it.each([
    ['api.example.com', 'example.com:443'],
    ['api.example.com', 'xapi.example.com:443'],
    ['api.example.com', 'api.example.com.evil.test:443'],
    ['.example.com', 'badexample.com:443'],
    ['api.example.com', 'api.example.com:22'],
    ['api.example.com:8443', 'api.example.com:443'],
    ['10.0.0.5', '10.0.0.55:80'],
    ['[2001:db8::1]', '[2001:db8::2]:443'],
  ])('%s does not let %s pass', (entry, target) => expect(passes(entry, target)).toBe(false));

  it.each([
    '',
    ':80',
    'a b:80',
    'user@host:80',
    'host:0',
    'host:65536',
    'host:8x',
    '[::1:80',
    'host/path:80',
    'h\0:80',
  ])('reads no target in %j', (text) => expect(parseTarget(text)).toBeUndefined());
});

describe('what a name may stand for', () => {
  it.each(['127.0.0.1', '169.254.169.254', '0.0.0.0', '::1', 'fe80::1', '::ffff:169.254.169.254', 'fd00:ec2::254'])(
    'is never %s',
    (address) => expect(isReachable('api.example.com', address)).toBe(false),
  );
  it('is an internal address only for a name that stands in the list as a whole', () => {
    expect(isReachable('git.corp.example', '10.1.2.3')).toBe(true);
    expect(isReachable('.corp.example', '10.1.2.3')).toBe(false);
    expect(isReachable('.corp.example', '172.17.0.1')).toBe(false);
    expect(isReachable('.corp.example', '203.0.113.7')).toBe(true);
  });
  it('is every address that is written in the list itself', () => {
    expect(isReachable('127.0.0.1:80', '127.0.0.1')).toBe(true);
    expect(isReachable('127.0.0.1:80', '127.0.0.2')).toBe(false);
  });
});
