#!/bin/bash
# Installs the wiki on SQLite the first time, then becomes the command that serves it.
set -euo pipefail
installed="$WIKI_DIRECTORY/LocalSettings.php"
if [ ! -f "$installed" ]; then
  mkdir -p "$WIKI_DIRECTORY/cache"
  # The installer would take settings that are there for those of a wiki that is.
  MW_CONFIG_FILE=$installed php "$MW_INSTALL_PATH/maintenance/install.php" --confpath "$WIKI_DIRECTORY" \
    --dbtype sqlite --dbpath "$WIKI_DIRECTORY" --dbname wiki --server http://localhost --scriptpath '' \
    --pass 'correct horse battery staple' 'Wiki on Kask' Ada
  # As root it would leave files that the web server may not write.
  if [ "$(id -u)" = 0 ] && id www-data > /dev/null; then chown -R www-data: "$WIKI_DIRECTORY"; fi
fi
exec "$@"
