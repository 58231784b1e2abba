import { parseSyslogAddress } from './syslog-address.js';

describe('the address of a receiver of syslog', () => {
  it.each([
    ['unix:/run/log.socket', { transport: 'unix', path: '/run/log.socket' }],
    ['udp://192.0.2.1:514', { transport: 'udp', host: '192.0.2.1', port: 514 }],
    ['tcp://[2001:db8::1]:601', { transport: 'tcp', host: '2001:db8::1', port: 601 }],
    ['tls://log.example.org:6514', { transport: 'tls', host: 'log.example.org', port: 6514 }],
  ])('can be %s', (text, address) => {
    expect(parseSyslogAddress(text)).toEqual(address);
  });

  it.each([
    'log.example.org:514',
    'http://log.example.org:514',
    'tcp://log.example.org',
    'tcp://log.example.org:0',
    'tcp://log.example.org:65536',
    'tcp://log.example.org:514/',
    'tcp://user@log.example.org:514',
    'tcp://2001:db8::1:601',
    'tcp://[log.example.org]:601',
    'tcp://:514',
    'unix:log.socket',
    'unix:',
    `unix:/${'x'.repeat(107)}`,
  ])('cannot be %s', (text) => {
    expect(parseSyslogAddress(text)).toBeUndefined();
  });
});
