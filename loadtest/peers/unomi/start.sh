#!/usr/bin/env bash
# Starts Apache Unomi and an Elasticsearch of its own in a folder, on loopback
# only, and prints their process ids. Needs Java 17 and Maven.
#
#   loadtest/peers/unomi/start.sh FOLDER
#   go run ./loadtest/bench unomi -pids UNOMI,ELASTICSEARCH
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$1" && cd "$1" && folder="$PWD"
version=2.1.0
[ -d jars ] || mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/jars"
[ -d unomi ] || {
  mvn -B -q dependency:copy -Dartifact=org.apache.unomi:unomi:$version:tar.gz -DoutputDirectory="$folder"
  mkdir unomi && tar xzf unomi-$version.tar.gz -C unomi --strip-components 1
}

java -Xms2g -Xmx2g -cp "jars/*" org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner \
  -basePath "$folder/elasticsearch" -numOfNode 1 -clusterName contextElasticSearch -baseHttpPort 9199 > elasticsearch.log 2>&1 &
elasticsearch=$!
for _ in $(seq 60); do curl -sf http://127.0.0.1:9200 > /dev/null && break; sleep 1; done
curl -sf http://127.0.0.1:9200 > /dev/null || { tail -20 elasticsearch.log; exit 1; }
echo "elasticsearch $elasticsearch"

cd unomi
if [ ! -f etc/unomi.custom.system.properties.kairos ]; then
  # Java 17, which Karaf's files of this version do not know yet.
  printf '\njre-17 = ${jre-15}\n' >> etc/jre.properties
  versions=1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7,1.8,9.0,10.0,11.0,13.0,14.0,15.0,16.0,17.0
  printf '\neecap-17 = osgi.ee; osgi.ee="OSGi/Minimum"; version:List<Version>="1.0,1.1,1.2", osgi.ee; osgi.ee="JavaSE"; version:List<Version>="%s", osgi.ee; osgi.ee="JRE"; version:List<Version>="1.0,1.1"\n' "$versions" >> etc/config.properties
  # Nothing but loopback.
  sed -i 's|<interfaces enabled="false">|<interfaces enabled="true">|; s|<interface>10.10.1.\*</interface>|<interface>127.0.0.1</interface>|; s|<property name="hazelcast.jmx">|<property name="hazelcast.socket.bind.any">false</property>&|' etc/hazelcast.xml
  printf 'org.apache.unomi.shell.sshHost=127.0.0.1\n' >> etc/unomi.custom.system.properties
  printf '\norg.ops4j.pax.web.listening.addresses=127.0.0.1\n' >> etc/org.ops4j.pax.web.cfg
  sed -i 's/0\.0\.0\.0/127.0.0.1/g' etc/org.apache.karaf.management.cfg
  touch etc/unomi.custom.system.properties.kairos
fi
KARAF_OPTS="-Dunomi.autoStart=true" nohup ./bin/karaf server > ../unomi.log 2>&1 &
echo "unomi (its script) $!"
for _ in $(seq 180); do curl -sf "http://127.0.0.1:8181/cxs/context.json?sessionId=1" > /dev/null && break; sleep 1; done
curl -sf "http://127.0.0.1:8181/cxs/context.json?sessionId=1" > /dev/null || { tail -30 data/log/karaf.log; exit 1; }
echo "unomi $(pgrep -f "karaf.home=$folder/unomi" | head -1)"
