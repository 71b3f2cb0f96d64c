# SPDX-License-Identifier: GPL-2.0-only
# What every test folder's Makefile includes after it has named its programs. The
# kselftest files themselves are not kept here: they come from the kernel's source.
#
# KSFT_DIR        tools/testing/selftests of a 6.12 source tree (lib.mk, kselftest_harness.h)
# KHDR_INCLUDES   -isystem and the folder that "make headers_install" of that tree filled

ifeq ($(wildcard $(KSFT_DIR)/lib.mk),)
ifeq ($(filter clean,$(MAKECMDGOALS)),)
$(error KSFT_DIR is not set to a folder with lib.mk. Either run the tests with \
tools/lab/lab check, or set KSFT_DIR=.../linux-source-6.12/tools/testing/selftests and \
KHDR_INCLUDES="-isystem DIR/include" after "make headers_install INSTALL_HDR_PATH=DIR" there)
endif
endif

TRIVIO_TOP := $(realpath $(dir $(lastword $(MAKEFILE_LIST)))../..)
OUTPUT ?= $(CURDIR)

CFLAGS += -O2 -g -Wall $(KHDR_INCLUDES) -I$(KSFT_DIR) -I$(TRIVIO_TOP)/include/uapi \
	  -I$(TRIVIO_TOP)/selftests/lib

include $(KSFT_DIR)/lib.mk
