/* An external TFLite delegate for tests. It claims the RESHAPE operators and copies their input.
 *
 * Options: count=FILE  one byte is appended for every inference;
 *          claim=no    it claims nothing and only counts that it was prepared;
 *          mode=wrong | fail | hang | crash | slow    what it does instead of copying, and
 *          switch=FILE only while this file exists (without it: always);
 *          lock=FILE   an accelerator that lets only one in: this file is locked while it is open.
 *
 * The structures are those of TensorFlow Lite's C API (core/c/common.h), as far as they are used.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, RESHAPE = 22, DELEGATE = 51, DYNAMIC = 4 };

typedef struct { int size; int data[]; } IntArray;

typedef struct {
  int type;
  void *data;
  IntArray *dims;
  struct { float scale; int32_t zero_point; } params;
  int allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  void *delegate;
  int buffer_handle;
  bool data_is_stale, is_variable;
  struct { int type; void *params; } quantization;
  void *sparsity;
  const IntArray *dims_signature;
} Tensor;

typedef struct {
  IntArray *inputs, *outputs, *intermediates, *temporaries;
  void *user_data, *builtin_data;
  const void *custom_initial_data;
  int custom_initial_data_size;
  void *delegate;
  bool might_have_side_effect;
} Node;

typedef struct Context Context;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, Node *);
  int (*invoke)(Context *, Node *);
  const char *(*profiling_string)(const Context *, const Node *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *rest[16]; /* fields that differ between versions: all left empty */
} Registration;

struct Context {
  size_t tensors_size;
  int (*GetExecutionPlan)(Context *, IntArray **);
  Tensor *tensors;
  void *impl;
  int (*ResizeTensor)(Context *, Tensor *, IntArray *);
  void (*ReportError)(Context *, const char *, ...);
  int (*AddTensors)(Context *, int, int *);
  int (*GetNodeAndRegistration)(Context *, int, Node **, Registration **);
  int (*ReplaceNodeSubsetsWithDelegateKernels)(Context *, Registration, const IntArray *, void *);
};

typedef struct Delegate {
  void *data;
  int (*Prepare)(Context *, struct Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *opaque_builder;
} Delegate;

static char count[512], mode[16], trigger[512], claim[8], lock[512];

static void tick(void) {
  FILE *file = count[0] ? fopen(count, "a") : NULL;
  if (file) {
    fputc('x', file);
    fclose(file);
  }
}

static void *init(Context *context, const char *buffer, size_t length) {
  (void)context, (void)buffer, (void)length;
  return NULL;
}

static int prepare(Context *context, Node *node) {
  (void)context, (void)node;
  return OK;
}

static int invoke(Context *context, Node *node) {
  tick();
  bool now = mode[0] && (!trigger[0] || access(trigger, F_OK) == 0);
  if (now && !strcmp(mode, "fail")) {
    context->ReportError(context, "the delegate's device was unplugged");
    return ERROR;
  }
  if (now && !strcmp(mode, "crash")) raise(SIGSEGV);
  while (now && !strcmp(mode, "hang")) pause();
  if (now && !strcmp(mode, "slow")) usleep(200000);
  Tensor *to = &context->tensors[node->outputs->data[0]];
  for (int i = 0; i < node->inputs->size; i++) {
    Tensor *from = &context->tensors[node->inputs->data[i]];
    if (from->bytes == to->bytes && from->type == to->type) memcpy(to->data, from->data, to->bytes);
  }
  if (now && !strcmp(mode, "wrong")) memset(to->data, 0x21, to->bytes);
  return OK;
}

static int prepare_delegate(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (!strcmp(claim, "no")) {
    tick();
    return OK;
  }
  if (context->GetExecutionPlan(context, &plan)) return ERROR;
  IntArray *mine = malloc(sizeof(IntArray) + plan->size * sizeof(int));
  mine->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Registration *registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration)) return ERROR;
    if (registration->builtin_code == RESHAPE) mine->data[mine->size++] = plan->data[i];
  }
  Registration kernel = {.init = init, .prepare = prepare, .invoke = invoke,
                         .builtin_code = DELEGATE, .custom_name = "copy", .version = 1};
  int status = context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, mine, delegate);
  free(mine);
  return status;
}

Delegate *tflite_plugin_create_delegate(const char **keys, const char **values, size_t options,
                                        void (*report)(const char *)) {
  count[0] = mode[0] = trigger[0] = claim[0] = lock[0] = 0;
  for (size_t i = 0; i < options; i++) {
    if (!strcmp(keys[i], "count")) snprintf(count, sizeof count, "%s", values[i]);
    else if (!strcmp(keys[i], "mode")) snprintf(mode, sizeof mode, "%s", values[i]);
    else if (!strcmp(keys[i], "switch")) snprintf(trigger, sizeof trigger, "%s", values[i]);
    else if (!strcmp(keys[i], "claim")) snprintf(claim, sizeof claim, "%s", values[i]);
    else if (!strcmp(keys[i], "lock")) snprintf(lock, sizeof lock, "%s", values[i]);
    else {
      report("unknown option");
      return NULL;
    }
  }
  int held = lock[0] ? open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600) : -1;
  if (lock[0] && flock(held, LOCK_EX | LOCK_NB)) {
    close(held);
    report("the device is busy");
    return NULL;
  }
  Delegate *delegate = calloc(1, sizeof(Delegate) + 64);
  delegate->data = (void *)(intptr_t)held;
  delegate->Prepare = prepare_delegate;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
  if (!delegate) return;
  int held = (int)(intptr_t)delegate->data;
  if (held >= 0) close(held);
  free(delegate);
}
