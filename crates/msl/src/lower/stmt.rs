//! Statements.

use crate::ir::{self, BlockStyle, LoopStyle, Op, RegionId, Unroll};
use crate::lower::Lower;
use crate::sema::Res;
use crate::sema::hir::{Expr, LoopForm, Stmt};

impl Lower<'_, '_, '_, '_> {
    pub(super) fn statements(&mut self, statements: &[Stmt]) -> Res<()> {
        let mut result = Ok(());
        for statement in statements {
            result = result.and(self.statement(statement));
        }
        result
    }

    fn statement(&mut self, statement: &Stmt) -> Res<()> {
        match statement {
            Stmt::Expr(e) => self.effect(e),
            Stmt::Local { id, init, span } => {
                self.b.span = ir::Span(span.index());
                // Declared in front of its `switch`, perhaps.
                let known = self.hoisted.contains(id).then(|| self.locals[id.0 as usize]).flatten();
                let ptr = match known {
                    Some(ptr) => ptr,
                    None => self.declare(*id),
                };
                if let Some(init) = init {
                    self.init(init, ptr, known.is_none())?;
                }
                Ok(())
            }
            Stmt::Block(block) => {
                if let Some(Stmt::Loop { style: LoopForm::For, .. }) = block.last() {
                    self.b.open_block(BlockStyle::For, &[]);
                    let result = self.statements(block);
                    self.b.close();
                    return result;
                }
                self.statements(block)
            }
            Stmt::If { cond, then, otherwise, span } => {
                let cond = self.value(cond)?;
                self.b.span = ir::Span(span.index());
                self.b.open_if(cond, &[]);
                let first = self.statements(then);
                if !otherwise.is_empty() {
                    self.b.open_else();
                    let second = self.statements(otherwise);
                    self.b.close();
                    return first.and(second);
                }
                self.b.close();
                first
            }
            Stmt::Loop { cond, body, step, style, span } => {
                self.b.span = ir::Span(span.index());
                self.loop_statement(cond.as_ref(), body, step.as_ref(), *style)
            }
            Stmt::Switch { value, cases, span } => {
                // What a case declares is visible in later ones: declare it in front.
                for case in cases {
                    for statement in &case.body {
                        if let Stmt::Local { id, .. } = statement {
                            self.declare(*id);
                            self.hoisted.push(*id);
                        }
                    }
                }
                let selector = self.value(value)?;
                self.b.span = ir::Span(span.index());
                let region = self.b.open_switch(selector);
                self.breaks.push(region);
                let mut result = Ok(());
                for case in cases {
                    self.b.open_case(&case.values, case.default);
                    result = result.and(self.statements(&case.body));
                }
                self.breaks.pop();
                self.b.close();
                result
            }
            Stmt::Break(span) => self.leave(self.breaks.last().copied(), *span),
            Stmt::Continue(span) => self.leave(self.continues.last().copied(), *span),
            Stmt::Return(value, span) => {
                let value = match value {
                    None => None,
                    Some(value) if self.is_loadable(value.ty.ty) => Some(self.value(value)?),
                    Some(value) => {
                        if let Some(result) = self.result {
                            self.init(value, result, false)?;
                        } else {
                            self.effect(value)?;
                        }
                        None
                    }
                };
                self.b.span = ir::Span(span.index());
                self.b.ret(value);
                Ok(())
            }
        }
    }

    fn leave(&mut self, region: Option<RegionId>, span: crate::diagnostic::Span) -> Res<()> {
        self.b.span = ir::Span(span.index());
        match region {
            Some(region) => {
                self.b.exit(region, &[]);
                Ok(())
            }
            None => self.error(span, "there is nothing to leave"),
        }
    }

    fn loop_statement(
        &mut self,
        cond: Option<&Expr>,
        body: &[Stmt],
        step: Option<&Expr>,
        style: LoopForm,
    ) -> Res<()> {
        let ir_style = match style {
            LoopForm::For => LoopStyle::For,
            LoopForm::While => LoopStyle::While,
            LoopForm::Do => LoopStyle::DoWhile,
        };
        let (region, body_region) = self.b.open_loop(ir_style, Unroll::Auto);
        let mut result = Ok(());
        let test = match cond {
            Some(cond) if style != LoopForm::Do => match self.value(cond) {
                Ok(value) => Some(value),
                Err(error) => {
                    result = Err(error);
                    None
                }
            },
            _ => None,
        };
        self.b.open_body(test);
        self.breaks.push(region);
        self.continues.push(body_region);
        result = result.and(self.statements(body));
        self.continues.pop();
        self.breaks.pop();
        self.b.open_continue();
        if let Some(step) = step {
            result = result.and(self.effect(step));
        }
        if let (LoopForm::Do, Some(cond)) = (style, cond) {
            match self.value(cond) {
                Ok(value) => {
                    let stop = self.b.emit(Op::Unary(ir::UnaryOp::Not, value), ir::Type::BOOL);
                    self.b.open_if(stop, &[]);
                    self.b.exit(region, &[]);
                    self.b.close();
                }
                Err(error) => result = Err(error),
            }
        }
        self.b.close();
        result
    }
}
