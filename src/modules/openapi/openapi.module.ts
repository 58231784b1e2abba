import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Header, Injectable, Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';

/** Written by hand and held against the service by test/e2e/openapi.e2e-spec.ts. */
const OWN_DOCUMENT = fileURLToPath(new URL('../../../openapi/kask.yaml', import.meta.url));

/** Ours, or what the settings name in its place. */
@Injectable()
export class OpenapiDocument {
  readonly text: string;

  constructor({ openapi_spec, base_uri }: Settings) {
    this.text = withBaseUri(load(openapi_spec), base_uri);
  }
}

@Controller('openapi')
export class OpenapiController {
  constructor(private readonly document: OpenapiDocument) {}

  /** The media type that the service before this one gave it. */
  @Get()
  @Header('Content-Type', 'application/x-yaml')
  serve(): string {
    return this.document.text;
  }
}

/** A file that cannot be read was warned about with the settings. */
function load(file: string | undefined): string {
  try {
    return readFileSync(file ?? OWN_DOCUMENT, 'utf8');
  } catch {
    return readFileSync(OWN_DOCUMENT, 'utf8');
  }
}

/** Fills in `{{- .BaseURI -}}`, in any of the spacings of a Go template; a dash trims the space on its side. */
export function withBaseUri(document: string, baseUri: string): string {
  return document.replace(/(?:\s*\{\{- |\{\{)\s*\.BaseURI\s*(?: -\}\}\s*|\}\})/g, () => baseUri);
}

@Module({ controllers: [OpenapiController], providers: [OpenapiDocument], exports: [OpenapiDocument] })
export class OpenapiModule {}
