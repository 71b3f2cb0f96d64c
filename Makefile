# SPDX-License-Identifier: GPL-2.0-only
# For people: "make help". What kbuild reads is Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
# packagers: one variable for modules and tools
INSTALL_MOD_PATH ?= $(DESTDIR)
MODULES := trivio_vfio trivio_vdpa trivio_vhost trivio
TOOLS := $(patsubst %/Makefile,%,$(wildcard tools/*/Makefile tools/lab/src/Makefile))
TESTS := $(patsubst %/Makefile,%,$(wildcard selftests/*/Makefile))
# the laboratory builds those that run on the host only once, not for each kernel
ifdef SKIP_HOST_TESTS
TESTS := $(filter-out selftests/core $(shell grep -l '^where=host' selftests/*/settings | xargs -r dirname),$(TESTS))
endif

# test programs need a kernel's source: only for those who have named it
all: modules tools $(if $(KSFT_DIR),selftests)

modules:
	@[ -e $(KDIR)/Makefile ] || { \
		echo "make: no kernel to build for in $(KDIR). Next: install the headers of your 6.12"; \
		echo "kernel (Debian: linux-headers-$$(uname -r)), or say KDIR=..., or use tools/lab/lab"; \
		false; } >&2
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools: $(TOOLS)

$(TOOLS):
	$(MAKE) -C $@

selftests: $(TESTS)

$(TESTS):
	$(MAKE) -C $@ OUTPUT=$(CURDIR)/$@

# Modules are signed only if the kernel's build tree has the key. depmod is told for which
# kernel: it need not be the one that runs.
install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) \
		$(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) \
		"$$($(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)"
	@for t in $(TOOLS); do \
		! grep -q '^install:' $$t/Makefile || $(MAKE) -C $$t PREFIX=$(PREFIX) install || exit; \
	done

# Straight from the tree, with what they depend on; each if it was built.
load: modules
	@tools/load.sh load $(CURDIR)

unload:
	@tools/load.sh unload $(CURDIR)

# The same checks as CI: checkpatch, sparse, W=1, kernel-doc, coccicheck, shellcheck.
check-style:
	tools/lab/style.sh

check:
	tools/lab/lab check

clean:
	-$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	@for d in $(TOOLS); do $(MAKE) -C $$d clean; done
	@[ -z "$(KSFT_DIR)" ] || for d in $(TESTS); do $(MAKE) -C $$d OUTPUT=$(CURDIR)/$$d clean; done

help:
	@echo 'make               modules and tools (KDIR=$(KDIR)),'
	@echo '                   and the test programs if KSFT_DIR is set'
	@echo 'make modules       the kernel modules only'
	@echo 'make tools         the programs below tools/ only'
	@echo 'make selftests     the test programs; needs KSFT_DIR and KHDR_INCLUDES, see Documentation/lab.rst'
	@echo 'make install       modules into /lib/modules, tools below PREFIX ($(PREFIX));'
	@echo '                   all of it below DESTDIR if that is set'
	@echo 'make load, unload  insmod and rmmod the modules built here'
	@echo 'make check-style   every static check; needs KDIR'
	@echo 'make check         all tests, in the laboratory (tools/lab/lab check)'
	@echo 'make clean'
	@echo ''
	@echo 'No 6.12 kernel at hand? tools/lab/lab demo brings its own.'

.PHONY: all modules tools selftests install load unload check-style check clean help \
	$(TOOLS) $(TESTS)
