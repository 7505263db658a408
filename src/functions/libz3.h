/* libz3.h - Z3's functions, loaded when something is first proved.
 *
 * It is 23 MB large.  ap__libz3.mk_not(...) is Z3_mk_not(...), and so on, once
 * ap__libz3_load has succeeded. */
#ifndef AP_LIBZ3_H
#define AP_LIBZ3_H

#include "base/library.h"

#include <z3.h>

#define AP_LIBZ3_FUNCTIONS(F)                                                                                \
    F(ast_vector_dec_ref) F(ast_vector_get) F(ast_vector_inc_ref) F(ast_vector_size) F(dec_ref)             \
    F(del_config) F(del_context) F(func_decl_to_ast) F(get_bool_value) F(get_error_code) F(get_error_msg)   \
    F(global_param_set) F(inc_ref) F(is_eq_ast) F(mk_and) F(mk_app) F(mk_bool_sort) F(mk_config)            \
    F(mk_const) F(mk_context_rc) F(mk_eq) F(mk_exists_const) F(mk_forall_const) F(mk_func_decl) F(mk_iff)   \
    F(mk_implies) F(mk_int_symbol) F(mk_not) F(mk_or) F(mk_params) F(mk_simple_solver) F(mk_string_symbol)  \
    F(mk_uninterpreted_sort) F(mk_xor) F(model_dec_ref) F(model_eval) F(model_get_num_sorts)                \
    F(model_get_sort_universe) F(model_inc_ref) F(params_dec_ref) F(params_inc_ref) F(params_set_bool)      \
    F(params_set_uint) F(set_error_handler) F(solver_assert) F(solver_check) F(solver_dec_ref)              \
    F(solver_get_model) F(solver_inc_ref) F(solver_set_params) F(sort_to_ast) F(to_app)

#define AP_LIBZ3_POINTER(name) __typeof__(Z3_##name) *name;
extern struct ap_libz3 {
    AP_LIBZ3_FUNCTIONS(AP_LIBZ3_POINTER)
} ap__libz3;

ap_status ap__libz3_load(struct ap_err *err) AP_MUST_CHECK; /* from any thread */

#endif
