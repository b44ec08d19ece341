/* Variadic functions of the parameter and message suites.
 *
 * Stable Rust cannot define C-variadic functions. These take their arguments by the kind of the
 * parameter, as the standard says, and hand them on to functions of fixed arity.
 */
#include <stdarg.h>
#include <stdio.h>

#define MOST_VALUES 4
#define LONGEST_MESSAGE 16384

/* 'i', 'd' or 's' for the type of a parameter's scalars and their number in *count; 0 without value
 * or for a bad handle. */
extern int pickup_host_param_signature(const void *param, int *count);
extern int pickup_host_param_get(const void *param, int call, double from, double to, void *const *places, int count);
extern int pickup_host_param_set(const void *param, int timed, double time, const int *ints,
                                 const double *doubles, const char *text);
extern int pickup_host_message(const void *handle, const char *type, const char *id, const char *text,
                               int persistent);

enum { GET_VALUE, GET_VALUE_AT, GET_DERIVATIVE, GET_INTEGRAL };

static int get(const void *param, int call, double from, double to, va_list arguments) {
  void *places[MOST_VALUES] = {0};
  int count = 0;
  pickup_host_param_signature(param, &count);
  for (int at = 0; at < count; at++) places[at] = va_arg(arguments, void *);
  return pickup_host_param_get(param, call, from, to, places, count);
}

static int set(const void *param, int timed, double time, va_list arguments) {
  int ints[MOST_VALUES] = {0};
  double doubles[MOST_VALUES] = {0};
  const char *text = NULL;
  int count = 0;
  int kind = pickup_host_param_signature(param, &count);
  if (kind == 's') text = va_arg(arguments, const char *);
  for (int at = 0; kind == 'i' && at < count; at++) ints[at] = va_arg(arguments, int);
  for (int at = 0; kind == 'd' && at < count; at++) doubles[at] = va_arg(arguments, double);
  return pickup_host_param_set(param, timed, time, ints, doubles, text);
}

int pickup_shim_param_get_value(void *param, ...) {
  va_list arguments;
  va_start(arguments, param);
  int status = get(param, GET_VALUE, 0, 0, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_param_get_value_at_time(void *param, double time, ...) {
  va_list arguments;
  va_start(arguments, time);
  int status = get(param, GET_VALUE_AT, time, time, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_param_get_derivative(void *param, double time, ...) {
  va_list arguments;
  va_start(arguments, time);
  int status = get(param, GET_DERIVATIVE, time, time, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_param_get_integral(void *param, double from, double to, ...) {
  va_list arguments;
  va_start(arguments, to);
  int status = get(param, GET_INTEGRAL, from, to, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_param_set_value(void *param, ...) {
  va_list arguments;
  va_start(arguments, param);
  int status = set(param, 0, 0, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_param_set_value_at_time(void *param, double time, ...) {
  va_list arguments;
  va_start(arguments, time);
  int status = set(param, 1, time, arguments);
  va_end(arguments);
  return status;
}

static int message(const void *handle, const char *type, const char *id, const char *format, int persistent,
                   va_list arguments) {
  char text[LONGEST_MESSAGE];
  if (format == NULL) return pickup_host_message(handle, type, id, NULL, persistent);
  vsnprintf(text, sizeof text, format, arguments);
  return pickup_host_message(handle, type, id, text, persistent);
}

int pickup_shim_message(void *handle, const char *type, const char *id, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int status = message(handle, type, id, format, 0, arguments);
  va_end(arguments);
  return status;
}

int pickup_shim_persistent_message(void *handle, const char *type, const char *id, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int status = message(handle, type, id, format, 1, arguments);
  va_end(arguments);
  return status;
}
