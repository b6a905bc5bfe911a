# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   make               build everything into build/
#   make demo          the main job, on this machine, as root
#   make check         the tests, as root
#   make check-python  CPython's own tests in jails, as root
#   make check-vm      the tests and more in virtual machines with systemd; make vm: a shell in one
#   make escapes       hostile programs in our jail, or in another sandbox: WITH='bwrap --unshare-all …'
#   make fuzz          the parsers, and the engine by its D-Bus interface, SECONDS=30 each
#   make bench-jail    what a jail costs, beside bubblewrap and crun, as root: RUNS=500 STALLS=5000
#   make bench-scaler  the forecast beside reacting and the day before: TRACES='a.csv b.csv' DELAYS='60 300'
#   make bench-engine  what the engine costs, beside bubblewrap and beanstalkd, as root: PERCENT=100 PART='rates latency …'
#   make install       DESTDIR= PREFIX=/usr
#   make deb, rpm      Debian and RPM packages, in build/deb and build/rpm; make check-packages: the same bytes twice, and more
#
# CC=clang and SAN=1 (address and undefined behaviour sanitizers) work with each of them.

VERSION := 0.1.0
PREFIX ?= /usr
DESTDIR ?=
BUILD := build
SAN ?=

HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
# Not for packages, whose compilers may know more warnings than ours.
WERROR ?= -Werror
OWN_CFLAGS := -std=gnu17 -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
              -D_GNU_SOURCE -I. -DSKEP_VERSION='"$(VERSION)"' -DSKEP_PREFIX='"$(PREFIX)"'
OWN_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
# What is started or forked for every jail: the smaller, the faster; and it needs nothing of the host's libraries. The
# warnings are about functions of libarchive for the names of users, which it does not call.
STATIC_LDFLAGS := -static-pie -Wl,-z,relro,-z,now -Wl,--no-warnings
PLAIN :=
PLAIN_CFLAGS := $(OWN_CFLAGS)
PLAIN_LDFLAGS := $(STATIC_LDFLAGS)
ifneq ($(SAN),)
  HARDENING := -fPIE
  PLAIN := plain/
  OWN_CFLAGS += -DSKEP_SANITIZED -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  OWN_LDFLAGS += -fsanitize=address,undefined
  STATIC_LDFLAGS := $(OWN_LDFLAGS)
endif

PKG := pkg-config
LIBS := libseccomp libcap json-c nettle
JAIL_LIBS := $(LIBS) libarchive
PACKAGES := $(JAIL_LIBS) libsystemd sqlite3 check
ifeq ($(filter deps clean,$(MAKECMDGOALS)),)
  PKG_CFLAGS := $(shell $(PKG) --cflags $(PACKAGES) 2>/dev/null)
endif

sources = $(wildcard $(addsuffix /*.c,$(1)))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

BASE := $(call objects,$(call sources,engine/base))
# In the place of libraries that are loaded when they are needed.
LAZY := $(call objects,$(call sources,engine/base/lazy))
JAIL_PROGRAM := $(call sources,jail/cli)
LAUNCHER := $(call objects,jail/launcher.c jail/running_jail.c jail/warm.c jail/handover.c jail/clocks.c jail/watchdog.c \
              jail/launch.c jail/prefault.c jail/reaper.c jail/spawn.c jail/listener.c jail/process.c jail/root.c \
              jail/root_clones.c jail/root_job.c jail/root_skeleton.c jail/root_system.c jail/root_tree.c jail/overlay.c \
              jail/root_file.c jail/confine.c jail/landlock.c jail/unpack.c jail/output_tree.c)
JAIL := $(filter-out $(LAUNCHER) $(call objects,jail/scope.c jail/launcher_main.c),$(call objects,$(call sources,jail jail/probe)))
# Never with sanitizers, which need calls and libraries that its jail does not have: the fuzz targets cover it.
IMAGE_UNPACK := $(patsubst %.c,$(BUILD)/$(PLAIN)%.o,$(filter-out engine/base/log.c,$(call sources,jail/image_unpack engine/base)) \
                  jail/image_config.c)

WORKER := $(call objects,$(call sources,engine/worker))
PROTOCOL := $(call objects,engine/worker/protocol.c)
# Likewise small: what is forked for the descriptors of a message.
NURSERY := $(call objects,$(addprefix engine/supervisor/,nursery_main.c porter_serve.c blob_copy.c copies.c))
# What puts together the output of arrays.
COLLECTOR := $(call objects,$(addprefix engine/supervisor/,collector_main.c output.c))
SUPERVISOR := $(filter-out %/nursery_main.o %/porter_serve.o %/collector_main.o,$(call objects,$(call sources,engine/supervisor)))
CTL := $(call objects,$(call sources,engine/ctl))
SCALER := $(call objects,$(call sources,engine/scaler))
FORECAST := $(call objects,$(call sources,engine/scaler/cli))

PROGRAMS := skep-launcher skep-scope skep-image-unpack skep-jail skep-worker skep-nursery skep-collector skepd skepctl skep-forecast
ALL := $(addprefix $(BUILD)/,$(PROGRAMS))

all: $(ALL)

# Made anew with the Makefile, which says what is in them.
$(BUILD)/libbase.a: $(BASE) Makefile
$(BUILD)/libjail.a: $(JAIL) Makefile
$(BUILD)/libscaler.a: $(SCALER) Makefile
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/skep-launcher: $(BUILD)/jail/launcher_main.o $(LAUNCHER) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(STATIC_LDFLAGS) -o $@ $^ -larchive -lpthread -lm
$(BUILD)/skep-scope: $(BUILD)/jail/scope.o $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs libsystemd)
$(BUILD)/skep-image-unpack: $(IMAGE_UNPACK)
	$(CC) $(CFLAGS) $(PLAIN_LDFLAGS) -o $@ $^ -ljson-c -lnettle -larchive -lzstd -lz -lm
$(BUILD)/skep-jail: $(call objects,$(JAIL_PROGRAM)) $(LAUNCHER) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(STATIC_LDFLAGS) -o $@ $^ -lseccomp -lcap -ljson-c -lnettle -larchive -lpthread -lm

$(BUILD)/skep-worker: $(WORKER) $(LAZY) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(LIBS) libsystemd) -lpthread
$(BUILD)/skep-nursery: $(NURSERY) $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(STATIC_LDFLAGS) -o $@ $^ -lnettle
$(BUILD)/skep-collector: $(COLLECTOR) $(PROTOCOL) $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs json-c nettle libarchive)
$(BUILD)/skepd: $(SUPERVISOR) $(PROTOCOL) $(LAZY) $(BUILD)/libscaler.a $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(LIBS) libsystemd sqlite3) -lpthread -lm
$(BUILD)/skepctl: $(CTL) $(LAZY) $(BUILD)/libscaler.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs json-c nettle libsystemd) -lm
$(BUILD)/skep-forecast: $(FORECAST) $(BUILD)/libscaler.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs json-c) -lm

# ---- tests ----

UNIT := $(call objects,$(call sources,tests/unit))
UNIT_CLI := $(call objects,$(addprefix jail/cli/,draft.c draft_text.c host_path.c)) $(filter-out %/main.o,$(CTL))
UNIT_WORKER := $(call objects,engine/worker/files.c)
UNIT_FORECAST := $(call objects,$(addprefix engine/scaler/cli/,replay.c trace.c))
$(BUILD)/unit-tests: $(UNIT) $(filter-out %/main.o,$(SUPERVISOR)) $(PROTOCOL) $(UNIT_WORKER) $(UNIT_CLI) $(UNIT_FORECAST) $(LAUNCHER) $(BUILD)/libscaler.a \
                    $(BUILD)/libjail.a $(BUILD)/libbase.a | $(BUILD)/skep-nursery
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -Wl,--wrap=poll -o $@ $^ $(shell $(PKG) --libs $(JAIL_LIBS) libsystemd sqlite3 check) -lpthread -lm
# What runs inside jails, and tries to get out: static, so that it needs nothing of them.
$(BUILD)/payload: tests/jail/payload.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE $(CFLAGS) -static -o $@ $< -lpthread

# In the place of skep-image-unpack: one that an archive has taken over.
$(BUILD)/hostile-unpacker: tests/jail/unpacker.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE $(CFLAGS) -static -o $@ $<

# skep-jail's options, and jails that were there before.
WARM_JAIL := $(call objects,tests/jail/warm_jail.c jail/cli/job_options.c jail/cli/layout.c)
$(BUILD)/warm-jail: $(WARM_JAIL) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(JAIL_LIBS)) -lpthread

# The escape suite: tests/jail/escapes.c. Not at a random address, since some attacks need low ones.
$(BUILD)/escapes: tests/jail/escapes.c $(wildcard tests/jail/escapes/*.[ch])
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE $(CFLAGS) -static -Itests/jail -o $@ $(filter %.c,$^) -lpthread

# On the other side of D-Bus: clients that are not ours, and what stands in for polkit and systemd.
$(BUILD)/submit-raw: $(call objects,tests/engine/submit_raw.c)
$(BUILD)/listen: $(call objects,tests/engine/listen.c)
$(BUILD)/polkit: $(call objects,tests/engine/polkit.c tests/engine/stand_in.c)
$(BUILD)/systemd: $(call objects,tests/engine/systemd.c tests/engine/stand_in.c)
$(BUILD)/submit-raw $(BUILD)/listen $(BUILD)/polkit $(BUILD)/systemd:
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs libsystemd)

BENCH_PROGRAMS := $(addprefix $(BUILD)/,payload bench-nothing bench-floor bench-jail)
TEST_PROGRAMS := $(addprefix $(BUILD)/,unit-tests hostile-unpacker warm-jail escapes submit-raw listen polkit systemd bench-engine) $(BENCH_PROGRAMS)

# Each parser of outside data, by clang's libFuzzer: make fuzz SECONDS=30
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZ_CODE := $(filter-out engine/base/log.c,$(call sources,engine/base)) $(addprefix engine/supervisor/,spec.c config.c bus_frame.c) engine/worker/protocol.c \
             $(addprefix engine/ctl/,job_texts.c terminal_filter.c) \
             $(filter-out jail/scope.c %_main.c,$(call sources,jail)) jail/cli/host_path.c \
             $(call sources,engine/scaler) engine/scaler/cli/trace.c engine/scaler/cli/replay.c \
             $(filter-out %/main.c,$(call sources,jail/image_unpack))
SECONDS ?= 30
FUZZ_CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(OWN_CFLAGS)) -g -O1 -fsanitize=address,undefined
$(BUILD)/fuzz-objects/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link $(PKG_CFLAGS) -Wno-missing-prototypes -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/%: $(BUILD)/fuzz-objects/tests/fuzz/%.o $(patsubst %.c,$(BUILD)/fuzz-objects/%.o,$(FUZZ_CODE))
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(shell $(PKG) --libs $(JAIL_LIBS) libsystemd) -lm
fuzz:
	@CC=clang packaging/deps.sh
	@$(MAKE) --no-print-directory -s all $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SOURCES))
	@tests/fuzz/run.sh $(SECONDS)

# What a jail costs. The floor is what is made with the least, so it is built as such.
$(BUILD)/bench-floor: tests/bench/floor.c tests/bench/floor.h engine/base/cleanup.h engine/base/clock.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE -I. $(CFLAGS) -static -o $@ $< -lseccomp
$(BUILD)/bench-nothing: tests/bench/nothing.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -O2 -static -nostdlib -ffreestanding -fno-stack-protector -o $@ $<
BENCH := $(filter-out %/floor.o %/nothing.o,$(call objects,$(call sources,tests/bench)))
$(BUILD)/bench-jail: $(BENCH) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(JAIL_LIBS))
RUNS ?= 500
DELAYS ?= 60 300
STALLS ?= 5000
PAYLOAD ?= $(BUILD)/bench-nothing
bench-jail: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(BENCH_PROGRAMS)
	@tests/bench/run.sh $(RUNS) $(STALLS) $(PAYLOAD)

# Without traces, on loads that the benchmark makes.
bench-scaler: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) $(BUILD)/skep-forecast
	@tests/bench/scaler.sh "$(DELAYS)" $(TRACES)

# What the engine costs.
BENCH_ENGINE := $(call objects,$(call sources,tests/bench-engine) $(addprefix tests/bench/,command.c library.c peers.c samples.c))
$(BUILD)/bench-engine: $(BENCH_ENGINE) $(BUILD)/libjail.a $(BUILD)/libbase.a
	$(CC) $(CFLAGS) $(OWN_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(JAIL_LIBS) libsystemd sqlite3) -lm
PERCENT ?= 100
PART ?=
bench-engine: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(BUILD)/bench-nothing $(BUILD)/bench-engine
	@tests/bench-engine/run.sh $(PERCENT) $(PART)

deps:
	@CC="$(CC)" packaging/deps.sh

# The tools may have been missing when this Makefile was read: hence another make.
demo: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all && tests/demo/demo.sh

# The fuzz targets are compiled, so that they keep up with what they are for.
check: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(TEST_PROGRAMS) $(call objects,$(FUZZ_SOURCES)) && tests/packages.sh && tests/run.sh

# Under the policies that are meant for it; some fifteen minutes.
check-python: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all && tests/python.sh

# The same tests and more in a virtual machine with systemd, whose kernel has all cgroup controllers.
vm-programs: all $(addprefix $(BUILD)/,payload escapes warm-jail submit-raw listen polkit systemd)
check-vm: deps
	@tests/vm/run.sh $(VERSION)
vm: deps
	@tests/vm/run.sh $(VERSION) shell

# Each attack, and what came of it inside and outside. WITH and PROGRAM as tests/jail/escapes.sh has them; "$$" is a "$".
escapes: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(BUILD)/escapes $(BUILD)/warm-jail
	@tests/jail/escapes.sh $${WITH:+--with "$$WITH"}

MAN := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))
$(BUILD)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

man: $(MAN)

UNITDIR ?= $(PREFIX)/lib/systemd/system
install: all $(MAN)
	install -Dm755 -t $(DESTDIR)$(PREFIX)/bin $(addprefix $(BUILD)/,skep-jail skepctl skepd skep-forecast)
	install -Dm755 -t $(DESTDIR)$(PREFIX)/libexec/skep $(addprefix $(BUILD)/,skep-launcher skep-scope skep-image-unpack \
	        skep-worker skep-nursery skep-collector)
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/skep/policies policies/*.json
	install -Dm644 engine/ctl/skepctl.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/skepctl
	install -Dm644 -t $(DESTDIR)$(UNITDIR) $(addprefix units/,skepd.service skepd.socket skep-worker@.service skep.slice)
	install -Dm644 units/skep.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/skep.conf
	install -Dm644 units/skep.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/skep.catalog
	install -Dm644 units/skep.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/skep.conf
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/dbus-1/system.d units/org.skep.Engine1.conf
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/dbus-1/system-services units/org.skep.Engine1.service
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/polkit-1/actions units/org.skep.engine1.policy
	for page in $(MAN); do install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page; done
	for unit in skepd.service skepd.socket skep.slice; do ln -sf skepd.8 $(DESTDIR)$(PREFIX)/share/man/man8/$$unit.8; done
	ln -sf skep-worker.8 $(DESTDIR)$(PREFIX)/share/man/man8/skep-worker@.service.8

deb:
	@packaging/deb/build.sh $(VERSION)
rpm:
	@packaging/rpm/build.sh $(VERSION)
check-packages:
	@packaging/check.sh $(VERSION)

# Everything is rebuilt when compiler or flags change.
FLAGS := $(CC) $(CFLAGS) $(HARDENING) $(OWN_CFLAGS) $(OWN_LDFLAGS)
$(BUILD)/flags: force
	@mkdir -p $(BUILD)
	@echo '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS))' > $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) $(HARDENING) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/plain/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(PLAIN_CFLAGS) $(HARDENING) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -path $(BUILD)/vm -prune -o -name '*.d' -print 2>/dev/null)

clean:
	rm -rf $(BUILD)

force:
.PHONY: all clean force deps demo check check-python check-vm vm vm-programs escapes fuzz bench-jail bench-scaler bench-engine install man deb rpm check-packages
.SECONDARY:
