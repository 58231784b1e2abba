import { withBaseUri } from './openapi.module.js';

describe('withBaseUri', () => {
  it.each([
    ['"{{- .BaseURI -}}{key}"', '"/v1/{key}"'],
    ['"{{.BaseURI}}{key}"', '"/v1/{key}"'],
    ['"{{ .BaseURI }}{key}"', '"/v1/{key}"'],
    ['" {{- .BaseURI -}} {key}"', '"/v1/{key}"'],
    ['" {{ .BaseURI }} {key}"', '" /v1/ {key}"'],
    ['a {{.BaseURI}} b {{- .BaseURI -}} c', 'a /v1/ b/v1/c'],
    ['{{.Other}}', '{{.Other}}'],
  ])('fills in %p', (document, filled) => {
    expect(withBaseUri(document, '/v1/')).toBe(filled);
  });

  it('takes the base URI literally', () => {
    expect(withBaseUri('{{.BaseURI}}', '/$&/')).toBe('/$&/');
  });
});
